"""What an erasure makes of a published run is what the batch makes of the renamed rows."""

from collections import Counter
from datetime import date, timedelta

from app.ops.erasure.erasure import erase
from app.settings import Settings
from compose.embedded.stack import EmbeddedStack
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 2)


async def test_renamed_documents_equal_those_computed_again(nights: Nights, stack: EmbeddedStack) -> None:
    shop = make_shop(seed=9, visits=160)
    await nights.insert_shop(shop)
    alone = Counter(row["user_id"] for row in shop.transactions if row["session_id"] is None)
    (user, _), *_ = alone.most_common()
    nights.run(_AS_OF - timedelta(days=1))
    snapshot = nights.run(_AS_OF).snapshot
    before = nights.everything()
    done = await erase(
        Settings(
            {
                **stack.environment(),
                **nights.variables,
                "GLOBALMART_BATCH_LAKE": nights.variables["GLOBALMART_VAR_DIR"] + "/lake",
            }
        ),
        user,
    )
    assert done.documents > 4
    renamed = nights.everything()
    assert renamed != before
    assert user not in {row.get("user_id") for rows in renamed.values() for row in rows}

    # nothing has to be read again; the very same documents come out, and the days with the user are published again
    again = nights.run(_AS_OF)
    assert (again.extracted_days, again.snapshot) == (0, snapshot)
    assert nights.everything() == renamed
    written = {staged.mart.name: staged.written for staged in again.staged}
    assert written["fact_sales"] == 0
    assert 0 < written["fact_sessions"] < len(renamed["fact_sessions"])
