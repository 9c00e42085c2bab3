"""What people read of a milestone that is released in part, and of what is retained of it (MIL-11)."""

from __future__ import annotations

from app import create_app
from app.db import Database
from tests.factories import life
from tests.functional.signed_in import signed_in
from tests.functional.test_parts_rules import agreed, judge


def test_mil_11_pages_name_the_share_the_rest_and_what_is_retained(db: Database) -> None:
    story = life.active(db, document=agreed(reporting_retainage_bp=0))
    site = create_app(story.stage.settings, db)
    founder, investor = signed_in(site, story.founder), signed_in(site, story.investors[0])
    place = f"/milestones/{story.stage.milestone(story.offering_id, 1).public_id}"
    judge(story, works=40)
    text = investor.open(place).text
    assert "Found met to 70 %" in text
    assert "The rest, $425.46, stays in escrow until more is met." in text
    assert "Partly met" in text
    assert "submit evidence for the rest" in text
    assert "Submit evidence" in founder.open(place).text
    assert "Revenue of the month is at least 50,000" in founder.open(f"{place}/submit").text
    judge(story, works=100)
    text = investor.open(place).text
    assert "All of it is met. $114.99 stays in escrow without tokens" in text
    assert "1.2: $310.47" in text
    assert "No defect is open after the defects period." in founder.open(f"{place}/submit").text
    offer = f"/offerings/{story.stage.offering(story.offering_id).slug}"
    assert "Released, a part retained" in investor.open(offer).text
    asked = "raised=3833&own=1000&m1=partial&m1_share=70&m1_rest="
    page = investor.open(f"{offer}/contract?{asked}")
    assert "Met in part" in page.text
    assert "is released, for" in page.text
