"""Records of a reply many at once: what is read is there as it came, everything else never becomes an object."""

import json
from typing import Any

import pytest
from chainwatch_collector.inventory.fields import Fields
from chainwatch_collector.inventory.json_stream import Path, walk
from chainwatch_collector.inventory.record_parser import record_parser
from chainwatch_collector.inventory.scrub import FIELDS
from chainwatch_collector.inventory.slim import SLIMMERS
from collector.inventory.test_json_stream import pieces
from hypothesis import given, settings
from hypothesis import strategies as st

RECORDS = frozenset[Path]({(), ("result",)})
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.just("OpaqueRef:task"), inner, max_size=3)
    ),
    max_leaves=6,
)
_RECORDS = st.dictionaries(st.sampled_from([*sorted(FIELDS["VDI"]), "xenstore_data", "location"]), _VALUES, max_size=5)
_REFS = st.integers(0, 99).map(lambda number: f"OpaqueRef:{number}") | st.text(max_size=5)


class Noted(dict[str, Any]):
    """A record that notes which of its fields were read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


@pytest.mark.parametrize("kind", SLIMMERS)
def test_every_field_that_is_read_is_parsed(kind: str) -> None:
    record = Noted()
    SLIMMERS[kind](Fields(kind, "OpaqueRef:it", record))
    assert record.names <= FIELDS[kind]


@given(st.dictionaries(_REFS, _RECORDS, max_size=8), st.integers(1, 400), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_reply_in_any_pieces(records: dict[str, dict[str, Any]], size: int, spaced: bool) -> None:
    text = json.dumps({"result": records, "id": 1}, separators=(", ", ": ") if spaced else (",", ":"))
    seen = dict(walk(pieces(text.encode(), size), RECORDS, record_parser("VDI")))
    assert seen.pop(("id",)) == 1
    shown = {
        path[-1]: {name: value for name, value in record.items() if name in FIELDS["VDI"]}
        for path, record in seen.items()
    }
    wanted = {
        ref: {name: value for name, value in record.items() if name in FIELDS["VDI"]} for ref, record in records.items()
    }
    assert shown == wanted


def test_what_nobody_reads_is_left_out() -> None:
    records = {f"OpaqueRef:{number}": {"uuid": str(number), "xenstore_data": {"k": "s3cret"}} for number in range(3)}
    text = json.dumps({"result": records}, separators=(",", ":"))
    seen = [value for _, value in walk(pieces(text.encode(), 10_000), RECORDS, record_parser("VDI"))]
    assert seen[:2] == [{"uuid": "0"}, {"uuid": "1"}]


@pytest.mark.parametrize("odd", ['{"uuid":"3","xs":[{"a":1},"OpaqueRef:x"]}', "null", '{"uuid":"\\ud800"}'])
@pytest.mark.parametrize("last", [True, False])
def test_records_of_another_shape_come_one_by_one(odd: str, last: bool) -> None:
    plain = '"OpaqueRef:a":{"uuid":"1"},"OpaqueRef:b":{"uuid":"2"}'
    members = f'{plain},"OpaqueRef:c":{odd}' if last else f'"OpaqueRef:c":{odd},{plain}'
    text = f'{{"result":{{{members}}}}}'
    seen = dict(walk(pieces(text.encode(), 10_000), RECORDS, record_parser("VDI")))
    uuids = {path[1]: record and record["uuid"] for path, record in seen.items()}
    assert uuids == {"OpaqueRef:a": "1", "OpaqueRef:b": "2", "OpaqueRef:c": (json.loads(odd) or {}).get("uuid")}


def test_of_other_classes_everything_is_kept() -> None:
    assert record_parser("Certificate") is None
