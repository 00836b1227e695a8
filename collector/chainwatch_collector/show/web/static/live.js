// Keeps a page fresh: when the collector says that something changed, the page is asked for again and its main part
// is put in place. Without this script every page is complete; it only has to be reloaded by hand.
"use strict";
(function () {
  const state = document.getElementById("live-state");
  const LEAST_MS = 1500;
  let last = 0;
  let timer = null;
  let busy = false;
  let again = false;
  let plain = document.getElementById("main").innerHTML;

  function say(text) {
    if (state) state.textContent = text;
  }

  function openDetails(root) {
    return new Set(Array.from(root.querySelectorAll("details[open][id]"), (one) => one.id));
  }

  function editing(main) {
    const active = document.activeElement;
    return main.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  }

  async function refresh() {
    timer = null;
    const main = document.getElementById("main");
    if (busy || editing(main)) {
      again = true;
      schedule();
      return;
    }
    busy = true;
    again = false;
    last = Date.now();
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!response.ok) throw new Error(String(response.status));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("main");
      if (fresh && fresh.innerHTML !== plain) {
        const open = openDetails(main);
        const focused = main.contains(document.activeElement) ? document.activeElement.id : "";
        plain = fresh.innerHTML;
        main.innerHTML = fresh.innerHTML;
        for (const id of open) {
          const one = document.getElementById(id);
          if (one) one.open = true;
        }
        if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
        addCopyButtons(main);
      }
      say("live, " + new Date().toISOString().slice(11, 19) + "Z");
    } catch (error) {
      say("not refreshed: " + error.message);
    } finally {
      busy = false;
      if (again) schedule();
    }
  }

  function schedule() {
    // Not all browsers at once: each waits a little of its own.
    const least = 200 + Math.random() * 600;
    if (timer === null) timer = setTimeout(refresh, Math.max(least, LEAST_MS - (Date.now() - last)));
  }

  function listen() {
    const source = new EventSource("/api/v1/stream");
    let lost = false;
    source.addEventListener("open", function () {
      say("live");
      if (lost) schedule();
      lost = false;
    });
    source.addEventListener("hello", function (event) {
      if (String(JSON.parse(event.data).revision) !== document.body.dataset.revision) schedule();
    });
    source.addEventListener("change", function () {
      if (document.visibilityState === "visible") schedule();
      else again = true;
    });
    source.addEventListener("error", function () {
      lost = true;
      say("connection lost, trying again");
    });
    document.addEventListener("visibilitychange", function () {
      if (document.visibilityState === "visible" && again) schedule();
    });
    window.addEventListener("pagehide", function () { source.close(); });
  }

  function addCopyButtons(root) {
    for (const block of root.querySelectorAll(".cmd")) {
      if (block.querySelector("button")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "copy";
      button.setAttribute("aria-label", "copy: " + block.querySelector("code").textContent);
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(block.querySelector("code").textContent).then(
          function () { button.textContent = "copied"; },
          function () { button.textContent = "press Ctrl-C"; }
        );
      });
      block.append(button);
    }
  }

  addCopyButtons(document);
  if (document.body.dataset.live === "yes" && window.EventSource) listen();
})();
