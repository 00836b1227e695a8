"""The parts of a collector, wired to each other, in the order in which they start."""

from chainwatch_collector.judge.thresholds import parse
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve.composition import Part
from chainwatch_collector.serve.fold_part import FoldPart
from chainwatch_collector.serve.settings import Settings
from chainwatch_collector.serve.web_part import WebPart
from chainwatch_collector.show.changes import ChangeHub


def make_parts(settings: Settings) -> tuple[Part, ...]:
    """Inventory, fold, web."""
    board = Board(ChangeHub())
    thresholds = parse(settings.thresholds)
    fold = FoldPart(board, thresholds)
    return (fold, WebPart(board, thresholds, fold.checks, fold.counters))
