"""Picture → chains, space and what XenAPI alone proves: pure formulas, each with its source."""
