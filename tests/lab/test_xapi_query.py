"""The expressions of get_all_records_where, as xapi reads them."""

import pytest

from lab.xapi.failures import XapiError
from lab.xapi.query import compile_expression

RECORD = {"type": "nfs", "SR": "OpaqueRef:1", "shared": True, "physical_size": 5, "name_label": 'a "quoted" \\ name'}


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("true", True),
        ("false", False),
        ('field "SR" = "OpaqueRef:1"', True),
        ('field "SR"="OpaqueRef:2"', False),
        ('field "shared" = "true"', True),
        ('field "physical_size" = "5"', True),
        ('"nfs" = field "type"', True),
        ('field "name__label" = "a \\"quoted\\" \\\\ name"', True),
        ('field "type" = "nfs" and field "shared" = "false"', False),
        ('field "type" = "ext" or field "shared" = "true"', True),
        ('not (field "type" = "ext")', True),
        ("true or false and false", True),
        ("(true or false) and false", False),
    ],
)
def test_expressions(expression: str, matches: bool) -> None:
    assert compile_expression(expression)(RECORD) is matches


@pytest.mark.parametrize("expression", ["", "field", 'field "x" =', "true true", "(true", "true ; false", '= "x"'])
def test_what_does_not_parse_is_an_internal_error(expression: str) -> None:
    with pytest.raises(XapiError, match="INTERNAL_ERROR"):
        compile_expression(expression)


def test_a_field_that_does_not_exist_is_an_internal_error() -> None:
    with pytest.raises(XapiError, match="no field nothing"):
        compile_expression('field "nothing" = "x"')(RECORD)
