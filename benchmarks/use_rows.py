"""Sums of many entries of bills by SQL, as the app's own folding makes them."""

from __future__ import annotations

from itertools import product

MONTH = {
    "postgresql": "CAST(date_trunc('month', day) AS date)",
    "sqlite": "date(day, 'start of month')",
}
YEAR = {
    "postgresql": "CAST(date_trunc('year', day) AS date)",
    "sqlite": "date(day, 'start of year')",
}
FIGURES = ("bytes", "tokens", "input_tokens", "output_tokens", "cost", "unpriced")
FAILED = "sum(CASE WHEN reason = '' THEN 0 ELSE amount END)"
REASONS = "CASE WHEN {0} = 0 THEN '{{}}' ELSE '{{\"blocked\": ' || {0} || '}}' END"
AS_JSON = {"postgresql": "CAST({0} AS jsonb)", "sqlite": "{0}"}


def sum_up(count: int) -> None:
    """Sum the oldest entries, of which none is of a run."""
    from django.db import connection

    from chatkit_images.models import ALL, UseEntry, UseSummary

    vendor, entries = connection.vendor, UseEntry._meta.db_table
    last = UseEntry.objects.order_by("pk").values_list("pk", flat=True)[count - 1]
    starts = {"day": "day", "month": MONTH[vendor], "year": YEAR[vendor]}
    holders, names = ("owner", f"'{ALL}'"), ("model", f"'{ALL}'")
    columns = ("period", "start", "owner", "model", "runs", "images", "failed")
    columns += (*FIGURES, "failures", "updated_at")
    figures = ", ".join(f"sum({name})" for name in FIGURES)
    failures = AS_JSON[vendor].format(REASONS.format(FAILED))
    with connection.cursor() as cursor:
        for (period, start), owner, model in product(starts.items(), holders, names):
            cursor.execute(
                f"INSERT INTO {UseSummary._meta.db_table} "
                f"({', '.join(map(connection.ops.quote_name, columns))}) "
                f"SELECT '{period}', {start}, {owner}, {model}, 0, "
                f"sum(amount) - {FAILED}, {FAILED}, {figures}, {failures}, "
                f"CURRENT_TIMESTAMP FROM {entries} WHERE id <= {last} GROUP BY 2, 3, 4"
            )
        cursor.execute(f"UPDATE {entries} SET is_summed = TRUE WHERE id <= {last}")
