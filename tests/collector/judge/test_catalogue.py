"""The catalogue is whole and does no harm: the build fails for a missing code, a missing text or a forbidden remedy."""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from chainwatch_collector.judge.answer import Risk, Step
from chainwatch_collector.judge.catalogue import (
    CATALOGUE,
    GENERAL_WORDS,
    RANKS,
    CatalogueError,
    Entry,
    meaning,
    parse,
    placeholders,
    steps,
)
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.words import Cause, CrashReason, Switch
from chainwatch_collector.read.words import Step as GcStep

CODES: Final = [
    "GC_NOT_RUNNING", "GC_STUCK", "GC_INEFFECTIVE", "GC_CRASHED", "GC_BLOCKED_BY_HOST", "GC_INTERRUPTED",
    "GC_DISABLED", "COALESCE_FAILED", "COALESCE_NO_SPACE", "COALESCE_SLOW", "COALESCE_BEHIND",
    "LEAF_COALESCE_GAVE_UP", "LEAF_COALESCE_BLOCKED", "CHAIN_MULTI_HOST", "CHAIN_NEAR_LIMIT", "CHAIN_AT_LIMIT",
    "VDI_CORRUPT", "VDI_PARENT_MISSING", "VDI_LOST", "VDI_STALE_FLAG", "VDI_GARBAGE", "VDI_HELD_BY_CONTROL_DOMAIN",
    "DISK_FROZEN", "SR_SCAN_FAILED", "SR_DETACHED", "SR_PATHS_DEGRADED", "SR_IO_ERRORS", "SR_SLOW",
    "LINSTOR_DEGRADED", "SR_SPACE_LOW", "SR_FULL", "SR_FULL_SOON", "SNAPSHOT_NO_SPACE", "ATTACH_NO_SPACE",
    "SNAPSHOT_NOT_SUPPORTED", "BACKUP_WILL_SKIP", "BACKUP_OVERDUE", "BACKUP_STALLED", "BACKUP_BASE_MISSING",
    "CBT_BROKEN", "BACKUP_TARGET_FULL", "BACKUP_LEFTOVER", "BACKUP_PATTERN_EMPTY", "VM_VENDOR_DEVICE", "HOST_TOO_OLD",
    "HOST_DOWN", "POOL_UNREACHABLE", "AGENT_MISSING", "AGENT_SILENT", "AGENT_BEHIND", "HOST_UNASSIGNED",
    "HOST_DUPLICATE", "AGENT_MISBEHAVES", "AGENT_REVOKED", "EVIDENCE_GAP", "LOG_OFF", "LOG_PARTITION_FULL",
    "CLOCK_SKEW", "CERTIFICATE_EXPIRING",
]  # fmt: skip
"""interfaces.md section 6, which never renames; HOST_DUPLICATE, AGENT_MISBEHAVES, AGENT_REVOKED: our own."""

USUAL: Final = {
    "LEAF_COALESCE_GAVE_UP": "info", "BACKUP_LEFTOVER": "info", "LEAF_COALESCE_BLOCKED": "info", "SR_SPACE_LOW": "info",
    "GC_INTERRUPTED": "warning", "GC_DISABLED": "warning", "COALESCE_SLOW": "warning", "COALESCE_BEHIND": "warning",
    "CHAIN_MULTI_HOST": "warning", "CHAIN_NEAR_LIMIT": "warning", "VDI_STALE_FLAG": "warning",
    "VDI_GARBAGE": "warning", "VDI_HELD_BY_CONTROL_DOMAIN": "warning", "SR_PATHS_DEGRADED": "warning",
    "SR_SLOW": "warning", "LINSTOR_DEGRADED": "warning", "SR_FULL_SOON": "warning",
    "SNAPSHOT_NOT_SUPPORTED": "warning", "BACKUP_WILL_SKIP": "warning", "BACKUP_STALLED": "warning",
    "BACKUP_BASE_MISSING": "warning", "CBT_BROKEN": "warning", "BACKUP_PATTERN_EMPTY": "warning",
    "AGENT_MISSING": "warning", "AGENT_BEHIND": "warning", "HOST_UNASSIGNED": "warning", "EVIDENCE_GAP": "warning",
    "AGENT_REVOKED": "warning",
    "CLOCK_SKEW": "warning", "CERTIFICATE_EXPIRING": "warning",
}  # fmt: skip
"""The usual severity where it is not error."""

FORBIDDEN: Final = {
    "deleting a base copy": r"(delet|remov|destroy|unlink|eras)\w* .{0,40}base cop(y|ies)|vdi-destroy",
    "removing journals, locks, OLD_": r"(delet|remov|clean|clear|eras)\w* .{0,40}(journal|\blocks?\b|OLD_)|\brm -",
    "SR destroy": r"sr[- ]destroy|destroy (the|an|this) SR",
    "images changed by hand": r"vhd-util (modify|set|revert)|qemu-img rebase|qemu-img check .{0,20}-r",
    "killing what copies": r"(kill|terminat)\w* .{0,60}(vhd-util|qemu-img|tapdisk|cleanup\.py|process|copy)|kill -",
    "forced cleanup": r"cleanup(\.py)? .{0,20}(-G.{0,4}-f|-fG|-Gf)",
    "LVM by hand": r"lvchange|lvremove|lvrename|lvresize|dmsetup",
}
"""interfaces.md section 5, "never proposed"."""

MAY_NAME_ONLY_AS_DATA_RISK: Final = (
    r"vhd-util repair|resetvdis|declare-dead|host-declare|sr-forget|pbd-destroy|forget it"
)
MAY_NOT_BE_SAFE: Final = (
    r"pbd-unplug|xe-toolstack|restart the toolstack|cleanup\.py -a|systemctl (stop|restart) .?SMGC|shutdown|task-cancel"
)


def all_steps() -> Iterator[tuple[str, Step]]:
    for code, entry in CATALOGUE.items():
        yield from ((code, step) for step in entry.steps)
        for name, variant in entry.variants.items():
            yield from ((f"{code}.{name}", step) for step in variant.steps)


def texts_of(entry: Entry) -> Iterator[str]:
    yield from (entry.title, entry.meaning, entry.impact, entry.clears_when, *entry.causes, *entry.look)
    yield from (variant.meaning for variant in entry.variants.values())


def test_the_codes_are_those_of_the_interface() -> None:
    assert sorted(CATALOGUE) == sorted(CODES)
    assert {code: entry.severity for code, entry in CATALOGUE.items() if entry.severity != "error"} == USUAL


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_documented(code: str) -> None:
    entry = CATALOGUE[code]
    for name in ("title", "meaning", "impact", "causes", "look", "clears_when", "steps"):
        assert getattr(entry, name), f"{code} lacks {name}"
    assert set(entry.subjects) <= {"sr", "vdi", "vm", "host", "pool", "task", "job", "remote", "agent"}
    assert set(entry.see) <= set(CODES) - {code}
    assert all(variant.meaning and variant.steps for variant in entry.variants.values())


def test_settings_are_thresholds_that_exist() -> None:
    known = {field.name for field in dataclasses.fields(Thresholds)}
    named = {name for entry in CATALOGUE.values() for name in entry.settings}
    assert named <= known


def test_is_my_data_safe_comes_first_where_data_are_in_doubt() -> None:
    corrupt = CATALOGUE["VDI_CORRUPT"]
    said = [corrupt.meaning, *(variant.meaning for variant in corrupt.variants.values())]
    said += [CATALOGUE[code].meaning for code in ("VDI_LOST", "VDI_PARENT_MISSING")]
    assert all(text.startswith("Is my data safe?") for text in said)


def test_causes_rank_before_their_effects() -> None:
    order = [
        "AGENT_SILENT", "LOG_OFF", "HOST_DOWN", "SR_IO_ERRORS", "SR_DETACHED", "SR_SCAN_FAILED", "COALESCE_NO_SPACE",
        "GC_DISABLED", "GC_BLOCKED_BY_HOST", "GC_CRASHED", "COALESCE_FAILED", "COALESCE_BEHIND", "CHAIN_AT_LIMIT",
        "SNAPSHOT_NO_SPACE",
    ]  # fmt: skip
    ranks = [CATALOGUE[code].precedence for code in order]
    assert ranks == sorted(set(ranks))
    assert CATALOGUE["BACKUP_OVERDUE"].precedence == len(RANKS)


@pytest.mark.parametrize(
    ("where", "step"), [pytest.param(*one, id=f"{one[0]}-{n}") for n, one in enumerate(all_steps())]
)
def test_a_step_carries_what_its_risk_asks_for(where: str, step: Step) -> None:
    assert step.risk in get_args(Risk)
    if step.risk == "data risk":
        assert step.precheck, f"{where}: a data-risk step needs a precheck"
        assert step.warning, f"{where}: a data-risk step needs a warning"
        assert step.command is None, f"{where}: a data-risk step never has a command"
    said = " ".join(filter(None, (step.text, step.command)))
    if re.search(MAY_NAME_ONLY_AS_DATA_RISK, said, re.IGNORECASE):
        assert step.risk == "data risk", f"{where}: {said}"
    if re.search(MAY_NOT_BE_SAFE, said, re.IGNORECASE):
        assert step.risk != "safe", f"{where}: {said}"


def forbidden_in(text: str) -> list[str]:
    return [name for name, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)]


def test_no_step_proposes_what_is_never_proposed() -> None:
    for where, step in all_steps():
        said = "\n".join(filter(None, (step.text, step.command, step.precheck)))
        assert not forbidden_in(said), f"{where}: {said}"


def test_no_other_text_proposes_it_either() -> None:
    for code, entry in CATALOGUE.items():
        for text in (*entry.look, entry.clears_when):
            assert not forbidden_in(text), f"{code}: {text}"


@pytest.mark.parametrize(
    "text",
    [
        "Delete the base copy 1234",
        "xe vdi-destroy uuid=1",
        "remove the journal coalesce_1",
        "Remove stale lock files",
        "rm -f OLD_x.vhd",
        "xe sr-destroy uuid=1",
        "vhd-util modify -p x -n y",
        "vhd-util set -n y -f hidden -v 0",
        "qemu-img rebase -u x",
        "qemu-img check -f qcow2 -r all x",
        "Kill the vhd-util process",
        "kill -9 123",
        "cleanup.py -u x -G -f",
        "lvchange -an VG/LV",
    ],
)
def test_the_net_for_forbidden_remedies_catches(text: str) -> None:
    assert forbidden_in(text)


def test_repair_asks_for_all_its_prechecks() -> None:
    repair = next(step for _, step in all_steps() if "vhd-util repair" in step.text)
    for word in ("every leaf", "detached on every host", "GC is switched off", "copy"):
        assert word in (repair.precheck or "")


def test_rescan_asks_for_all_its_prechecks() -> None:
    rescan = next(step for _, step in all_steps() if (step.command or "").startswith("xe sr-scan"))
    for word in ("attached on its GC host", "no GC run", "no merge", "no scan failure", "isn't a mountpoint"):
        assert word.replace("no merge", "merge") in (rescan.precheck or "")
    assert all(step.precheck for _, step in all_steps() if "sr-scan" in (step.command or ""))


def test_steps_fill_in_what_the_finding_knows() -> None:
    wanted = steps("GC_NOT_RUNNING", "host_disabled", host="host-1", host_uuid="u1")
    assert wanted[0].command == "xe host-enable uuid=u1"
    assert wanted[0].precheck == "the maintenance of host-1 is really over"


def test_a_name_cannot_break_out_of_a_command() -> None:
    wanted = steps("HOST_UNASSIGNED", host="x; reboot")
    assert [step.command for step in wanted] == ["chainwatch agent show 'x; reboot'"]


def test_a_step_whose_parameter_is_missing_keeps_its_text() -> None:
    wanted = steps("GC_NOT_RUNNING", "host_disabled")
    assert wanted[0].command is None
    assert wanted[0].precheck == "the maintenance of that host is really over"
    assert steps("GC_NOT_RUNNING", "not_asked", sr_uuid="")[0].command is None


def test_an_unknown_variant_takes_the_general_steps() -> None:
    assert steps("COALESCE_FAILED", "unknown", sr_uuid="s") == steps("COALESCE_FAILED", sr_uuid="s")
    assert meaning("COALESCE_FAILED", "unknown") == CATALOGUE["COALESCE_FAILED"].meaning
    assert meaning("COALESCE_FAILED", "tool_bug") != CATALOGUE["COALESCE_FAILED"].meaning
    with pytest.raises(KeyError):
        steps("NO_SUCH_CODE")


def test_no_placeholder_is_left_over() -> None:
    for code, entry in CATALOGUE.items():
        for variant in ("", *entry.variants):
            for step in steps(code, variant):
                assert step.command is None or not placeholders(step.command)
                assert "{" not in step.text + (step.precheck or "") + (step.warning or ""), code
        assert all("{" not in text for text in texts_of(entry))


@pytest.mark.parametrize(
    ("code", "variants"),
    [
        ("GC_NOT_RUNNING", {"not_asked", "kicked_not_started", "unit_waits", "host_disabled", "killed"}),
        ("CHAIN_AT_LIMIT", {"kept", "pending", "blocked"}),
        ("CHAIN_NEAR_LIMIT", {"kept", "pending", "blocked"}),
        ("VDI_CORRUPT", {"unavailable", "killed_merge"}),
        ("GC_DISABLED", {"gc", "coalesce", "leaf-coalesce"}),
    ],
)
def test_the_remedy_differs_by_variant(code: str, variants: set[str]) -> None:
    assert variants == set(CATALOGUE[code].variants)
    assert len({variant.steps for variant in CATALOGUE[code].variants.values()}) == len(variants)


def test_what_the_judge_finds_out_has_a_remedy_of_its_own() -> None:
    assert set(get_args(Cause)) - {"unknown"} <= set(CATALOGUE["COALESCE_FAILED"].variants)
    assert set(get_args(CrashReason)) - {"unknown"} <= {*CATALOGUE["GC_CRASHED"].variants, "timed_out"}
    waiting = {"waiting_for_xapi", "waiting_for_lock", "scanning", "deleting", "copying", "relinking", "pausing"}
    assert waiting | {"updating"} <= set(CATALOGUE["GC_STUCK"].variants)
    assert set(CATALOGUE["GC_STUCK"].variants) <= set(get_args(GcStep))
    assert set(CATALOGUE["GC_DISABLED"].variants) == set(get_args(Switch))
    flags = {"relinking", "activating", "paused", "host", "gc_running"}
    assert flags == set(CATALOGUE["VDI_STALE_FLAG"].variants)


def table(**changes: object) -> dict[str, Any]:
    step = {"risk": "safe", "text": "Wait."}
    code = {
        "title": "t", "subjects": ["sr"], "severity": "error", "rank": "log", "meaning": "m", "impact": "i",
        "causes": ["c"], "look": ["l"], "clears_when": "w", "settings": [], "patterns": [], "see": [],
        "steps": ["wait"],
    }  # fmt: skip
    return {"step": {"wait": {**step, **changes.pop("step", {})}}, "code": {"X": {**code, **changes}}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"severity": "bad"}, r"code\.X: severity 'bad' is none of"),
        ({"rank": "nowhere"}, r"code\.X: "),
        ({"steps": ["no_such"]}, r"code\.X: 'no_such'"),
        ({"step": {"risk": "harmless"}}, r"step\.wait: risk 'harmless' is none of"),
        ({"step": {"comand": "x"}}, r"step\.wait: no such field: comand"),
        ({"step": {"text": "Scan {vdi_uuid}"}}, r"step\.wait: text, precheck and warning may name"),
    ],
)
def test_a_fault_in_the_file_names_the_entry(changes: dict[str, object], words: str) -> None:
    assert list(parse(table())) == ["X"]
    with pytest.raises(CatalogueError, match=words):
        parse(table(**changes))


def test_general_words_stand_for_what_is_not_known() -> None:
    assert set(GENERAL_WORDS) == {"host", "snapshots", "sr_uuid"}


def test_the_file_is_read_at_the_first_use_only() -> None:
    probe = (
        "import chainwatch_collector.judge.catalogue as c\n"
        "assert c._entries.cache_info().currsize == 0\n"
        "len(c.CATALOGUE); len(c.CATALOGUE)\n"
        "assert c._entries.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, env={"PYTHONPATH": ":".join(sys.path)}, timeout=60)


@pytest.mark.parametrize("code", CODES)
def test_patterns_compile_and_cannot_backtrack_for_long(code: str) -> None:
    """Nothing that repeats without end stands inside a repeat, and no more than two stand in one pattern: at worst the
    square of the 4,000 characters that `explain` reads."""
    for pattern in CATALOGUE[code].patterns:
        re.compile(pattern, re.IGNORECASE)
        endless = re.sub(r"\\.|\[[^\]]*\]", "x", pattern)
        assert not re.search(r"\([^()]*[*+][^()]*\)[*+{]", endless), pattern
        assert len(re.findall(r"[*+]", endless)) <= 2, pattern


def test_hostile_texts_come_to_an_end() -> None:
    hostile = ["a" * 4000, "VDI " * 1000, "x corrupted " * 300, " " * 4000, "backup skippe" * 300, "vhd-util " * 400]
    for entry in CATALOGUE.values():
        for pattern in entry.patterns:
            found = [re.search(pattern, text, re.IGNORECASE) for text in hostile]
            assert len(found) == len(hostile)
