"""Lists that read a bounded number of rows, whatever the tables hold.

Pages are found by the position of a row and not by their number, rows are counted up to
a bound, filters have fixed choices, and what no index answers is looked for among the
newest rows only, which the page says.
"""

from __future__ import annotations

from .change_list import BoundedChangeList
from .choices import FixedFilter, RecentValuesFilter, YesNoFilter
from .orders import Order, OrderFilter
from .people import OwnerFilter, person_link
from .periods import PeriodFilter
from .search import Search

__all__ = [
    "BoundedChangeList",
    "FixedFilter",
    "Order",
    "OrderFilter",
    "OwnerFilter",
    "PeriodFilter",
    "RecentValuesFilter",
    "Search",
    "YesNoFilter",
    "person_link",
]
