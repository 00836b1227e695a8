"""SMlog and its neighbours, read: lines in, typed past-tense facts and runs out.

Knows no XenAPI, no database and no clock. The way in is `reader.HostReader(host, zone)`:
`.feed(lines) -> list[Fact]`, `.gap(...)`, `.finish(now) -> list[Fact]`, `.runs`.
"""
