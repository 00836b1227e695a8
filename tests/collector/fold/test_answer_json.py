"""An answer survives its own JSON, which is the interface's."""

import json

import pytest
from chainwatch_collector.fold.answer_json import answer_from_json, answer_to_json
from collector.show.estate import DR, PROD, estate


@pytest.mark.parametrize("pool", [PROD, DR])
def test_an_answer_comes_back_as_it_was(pool: str) -> None:
    answer = estate().pool_answers[pool]
    body = json.loads(json.dumps(answer_to_json(answer)))
    assert answer_from_json(body) == answer
    assert body["findings"][0]["since"].endswith("Z")


def test_what_a_later_version_added_is_left_out() -> None:
    answer = estate().pool_answers[PROD]
    body = answer_to_json(answer) | {"later": 1}
    body["srs"][0]["later"] = 1
    assert answer_from_json(body) == answer


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of ours"):
        answer_from_json({"findings": [1]})
