"""A picture as bytes, so that a collector that just started knows the last one and its age.

JSON under zlib: every class of records as the names of its fields and rows of values. What a later version does not
have is left out, what an earlier one had not is at its default.
"""

import json
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Message, Pbd, Pool, SmType, Sr, Task, Vbd, Vdi, Vm

VERSION: Final = 1
MOST_BYTES: Final = 1 << 30
_RECORDS: Final = (Pool, Host, Sr, Vdi, Vm, Vbd, Pbd, SmType, Task, Message)
_TIMES: Final = ("host_enabled_since", "pbd_attached_since")
Record = TypeVar("Record")


class StoredPictureError(Exception):
    """The bytes are no picture of this version; the pool is asked anew anyway."""


def picture_to_bytes(picture: Picture) -> bytes:
    """For `keep.projections.save_inventory`."""
    deflate = zlib.compressobj(level=1)
    # In pieces: one call for all of it would hold every other thread up.
    pieces = [deflate.compress(piece.encode()) for piece in _lines(picture)]
    return b"".join([*pieces, deflate.flush()])


def picture_from_bytes(body: bytes) -> Picture:
    """What `picture_to_bytes` made. Raises `StoredPictureError`."""
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(body, MOST_BYTES).decode()
        lines = iter(text.split("\n"))
        head = json.loads(next(lines))
        if head.get("version") != VERSION or not inflate.eof:
            raise StoredPictureError(f"a picture of version {head.get('version')}")
        return _picture(head, _read_records(lines))
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration, zlib.error) as error:
        raise StoredPictureError(f"no stored picture: {type(error).__name__}") from None


def _lines(picture: Picture) -> Iterator[str]:
    """A head, then of each class its fields in one line and its rows in a line each."""
    head = {
        "version": VERSION,
        "as_of": _plain(picture.as_of),
        "problem": picture.problem,
        "problem_since": _plain(picture.problem_since),
        "master_since": _plain(picture.master_since),
        **{name: {ref: _plain(at) for ref, at in getattr(picture, name).items()} for name in _TIMES},
    }
    yield json.dumps(head)
    for kind, records in _by_class(picture):
        names = _names(kind)
        yield "\n" + json.dumps({"class": kind.__name__, "fields": names})
        for record in records:
            yield "\n" + json.dumps([_plain(getattr(record, name)) for name in names], separators=(",", ":"))


def _by_class(picture: Picture) -> Iterator[tuple[Any, Iterable[Any]]]:
    yield Pool, [picture.pool] if picture.pool is not None else []
    for kind, records in (
        (Host, picture.hosts),
        (Sr, picture.srs),
        (Vm, picture.vms),
        (Vbd, picture.vbds),
        (Pbd, picture.pbds),
        (SmType, picture.sm_types),
        (Task, picture.tasks),
    ):
        yield kind, records.values()
    yield Vdi, picture.all_vdis()
    yield Message, picture.messages


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def _read_records(lines: Iterator[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {kind.__name__: [] for kind in _RECORDS}
    kinds = {kind.__name__: kind for kind in _RECORDS}
    kind: Any = None
    names: list[str] = []
    for line in lines:
        value = json.loads(line)
        if isinstance(value, dict):
            kind, names = kinds.get(value["class"]), value["fields"]
        elif kind is not None:
            found[kind.__name__].append(_record(kind, names, value))
    return found


def _record(kind: Callable[..., Record], names: list[str], values: list[Any]) -> Record:
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in zip(names, values, strict=True) if name in readers})


def _picture(head: Mapping[str, Any], records: Mapping[str, list[Any]]) -> Picture:
    vdis_by_sr: dict[str, dict[str, Vdi]] = {}
    for vdi in records["Vdi"]:
        vdis_by_sr.setdefault(vdi.sr_ref, {})[vdi.uuid] = vdi
    times = {name: {ref: datetime.fromisoformat(at) for ref, at in head[name].items()} for name in _TIMES}
    return Picture(
        pool=next(iter(records["Pool"]), None),
        as_of=_time(head["as_of"]),
        problem=head["problem"],
        problem_since=_time(head["problem_since"]),
        hosts=_by_ref(records["Host"]),
        srs=_by_ref(records["Sr"]),
        vdis_by_sr=vdis_by_sr,
        vms=_by_ref(records["Vm"]),
        vbds=_by_ref(records["Vbd"]),
        pbds=_by_ref(records["Pbd"]),
        sm_types={one.type: one for one in records["SmType"]},
        tasks=_by_ref(records["Task"]),
        messages=tuple(records["Message"]),
        master_since=_time(head["master_since"]),
        host_enabled_since=times["host_enabled_since"],
        pbd_attached_since=times["pbd_attached_since"],
    )


def _by_ref(records: list[Any]) -> dict[str, Any]:
    return {record.ref: record for record in records}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@cache
def _readers(kind: Any) -> Mapping[str, Callable[[Any], Any]]:
    """field -> what makes its value of JSON."""
    hints = get_type_hints(kind)
    return {name: _reader(hints[name]) for name in _names(kind)}


def _names(kind: Any) -> list[str]:
    """The fields of a class of `records.py`."""
    return [one.name for one in fields(kind)] if is_dataclass(kind) else list(kind._fields)


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Of a type of `records.py`: everything JSON has not is a time, a tuple, a set, or a map of tuples."""
    arguments = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) in (Union, types.UnionType) and len(arguments) == 1:
        inner = _reader(arguments[0])
        return lambda value: None if value is None else inner(value)
    if hint is datetime:
        return datetime.fromisoformat
    if get_origin(hint) in (tuple, frozenset):
        return tuple if get_origin(hint) is tuple else frozenset
    if get_origin(hint) is Mapping and get_origin(arguments[1]) is tuple:
        return lambda value: {key: tuple(item) for key, item in value.items()}
    return lambda value: value
