"""What retention goes by: how much of a file is stored, and up to where it was dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("stored_lines", "stored_bytes", "dropped_to"):
        op.add_column("files", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE files SET stored_lines = (SELECT count(*) FROM lines WHERE lines.file_id = files.id),"
        " stored_bytes = (SELECT coalesce(sum(length(data)), 0) FROM lines WHERE lines.file_id = files.id)"
    )
