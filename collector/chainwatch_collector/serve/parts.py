"""The parts of a collector, wired to each other, in the order in which they start."""

from collections import Counter
from dataclasses import asdict

from chainwatch_collector.judge.thresholds import parse
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve.backups_part import BackupsPart
from chainwatch_collector.serve.certificates_part import CertificatesPart
from chainwatch_collector.serve.composition import Part
from chainwatch_collector.serve.fold_part import FoldPart
from chainwatch_collector.serve.inventory_part import InventoryPart
from chainwatch_collector.serve.notify_part import NotifyPart
from chainwatch_collector.serve.rescan_part import RescanPart
from chainwatch_collector.serve.retention_part import RetentionPart
from chainwatch_collector.serve.settings import Settings
from chainwatch_collector.serve.web_part import WebPart
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import Check


def make_parts(settings: Settings) -> tuple[Part, ...]:
    """Fold, inventory, notifications, retention, web: the inventory tells the fold, the others show what both made."""
    board = Board(ChangeHub())
    thresholds = parse(settings.thresholds)
    fold = FoldPart(board, thresholds)
    inventory = InventoryPart(fold.pictured, fold.retired)
    backups = BackupsPart(board, fold.news)
    notify = NotifyPart(board, settings.notify)
    retention = RetentionPart(settings.retention)
    rescan = RescanPart(board, inventory.settings_of)

    def counters() -> dict[str, float]:
        ours = (
            fold.counters(),
            inventory_counters(inventory),
            notify.counters(),
            retention.counters(),
            certificates.counters(),
        )
        return {name: count for counters in ours for name, count in counters.items()}

    def checks() -> tuple[Check, ...]:
        return (*fold.checks(), *backups.checks(), *notify.checks(), *certificates.checks())

    web = WebPart(board, thresholds, checks, counters, rescan)
    certificates = CertificatesPart(web.certificates_changed)
    return (fold, inventory, backups, notify, retention, rescan, certificates, web)


def inventory_counters(inventory: InventoryPart) -> dict[str, float]:
    """Sums over all pools, by full metric name."""
    total: Counter[str] = Counter()
    for counters in inventory.counters().values():
        total.update(asdict(counters))
    return {f"chainwatch_inventory_{name}_total": float(count) for name, count in total.items()}
