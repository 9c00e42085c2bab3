"""Fill an empty platform with a small invented story: fourteen companies in every state a visitor should see.

Everything happens through the stage, so through the same services as the web; half a year passes by the demo clock.
The people can be signed in to only when the story has been told to its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app import clock
from app.accounts import credentials, passwords
from app.accounts.actor import Actor
from app.accounts.models import User
from app.config import Settings
from app.db import Database
from app.demo import standing, troubles
from app.demo.acts import change, close_early, halt, reconfirm, tell
from app.demo.catalogue import CURRENCY, ventures
from app.demo.stage import Stage
from app.errors import Refused

PASSWORD = "lantern-oat-tide-loam"  # noqa: S105 - printed for everybody, for invented people in a sandbox only
DEADLINE_HOUR = 17


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the story; ``shows`` is what a visitor finds when signed in as them."""

    key: str
    role: str
    name: str
    email: str
    shows: str


PEOPLE: Sequence[Person] = (
    Person("ines", "investor", "Ines Varga", "ines@investors.example", "a position in ten offerings, in every state"),
    Person("noor", "investor", "Noor Haddad", "noor@investors.example", "a payment under way, a place on a list"),
    Person("sam", "investor", "Sam Whitlock", "sam@investors.example", "a commitment to pay now, a place kept for him"),
    Person("lena", "investor", "Lena Moreau", "lena@investors.example", "large positions"),
    Person("dev", "investor", "Dev Anand", "dev@investors.example", "small positions"),
    Person("greta", "investor", "Greta Holm", "greta@investors.example", "small positions"),
    Person("kofi", "investor", "Kofi Mensah", "kofi@investors.example", "a refund of a failed offering"),
    Person("yuki", "investor", "Yuki Tanabe", "yuki@investors.example", "a declined card"),
    Person("pia", "investor", "Pia Lund", "pia@investors.example", "waits to be verified"),
    Person("theo", "investor", "Theo Marsh", "theo@investors.example", "a check of identity that has run out"),
    Person("mara", "founder", "Mara Teague", "mara@merrow.example", "Merrow Tidal: evidence under review; Kelp & Kin"),
    Person("tomas", "founder", "Tomas Reyes", "tomas@dotline.example", "Dotline: closing early; Saltmarsh: halted"),
    Person("jun", "founder", "Jun Abara", "jun@oatfold.example", "Oatfold: nearly full; Northbank: in review"),
    Person("priya", "founder", "Priya Nair", "priya@reclaim.example", "Reclaim Cell: challenge window; a failed film"),
    Person("nia", "founder", "Nia Calder", "nia@gannet.example", "Gannet Rope: late and silent; Tansy: before a panel"),
    Person("elias", "founder", "Elias Brook", "elias@loamworks.example", "Loamworks: completed; Skylark: wound down"),
    Person("ada", "auditor", "Ada Hartwell", "ada@hartwell.example", "signed one of two findings on Merrow Tidal"),
    Person("bram", "auditor", "Bram Okafor", "bram@okafor.example", "Merrow Tidal waits for his findings"),
    Person("chiyo", "auditor", "Chiyo Lindqvist", "chiyo@lindqvist.example", "reviewed Reclaim Cell"),
    Person("wren", "auditor", "Wren Castell", "wren@castell.example", "may be drawn for a panel"),
    Person("hugo", "auditor", "Hugo Ferrant", "hugo@ferrant.example", "may be drawn for a panel"),
    Person("olga", "operator", "Olga Brandt", "olga@operators.example", "Northbank waits for approval"),
    Person("percy", "operator", "Percy Oyelaran", "percy@operators.example", "the second pair of eyes"),
    Person("sunniva", "supervisor", "Sunniva Dahl", "sunniva@supervisor.example", "everything, and no button"),
)

#: Investors whose pages show what is missing.
UNREADY = ("pia", "theo")

#: offering → (investor, dollars, way to pay), in the order in which they come. No way: left unpaid.
PLEDGES = {
    "loamworks": [("ines", 4_000, "instant"), ("lena", 6_500, "bank_2d"), ("dev", 1_250, "instant"),
                  ("greta", 2_100, "fee_card"), ("kofi", 3_000, "instant"), ("yuki", 1_850, "instant")],
    "skylark": [("ines", 5_000, "instant"), ("noor", 3_600, "instant"), ("lena", 7_400, "bank_2d"),
                ("sam", 2_200, "fee_card"), ("greta", 1_000, "instant"), ("dev", 800, "instant")],
    "merrow": [("lena", 25_000, "bank_2d"), ("ines", 18_000, "instant"), ("kofi", 15_000, "instant"),
               ("noor", 12_000, "instant"), ("sam", 9_500, "bank_2d"), ("yuki", 6_000, "fee_card"),
               ("greta", 4_200, "instant"), ("dev", 2_500, "fee_card")],
    "gannet": [("lena", 5_000, "instant"), ("ines", 4_000, "instant"), ("kofi", 2_500, "instant")],
    "tansy": [("lena", 4_000, "instant"), ("ines", 2_500, "instant"), ("sam", 3_000, "instant")],
    "lantern": [("ines", 2_500, "instant"), ("kofi", 4_200, "instant"), ("dev", 600, "fee_card"),
                ("yuki", 1_500, "instant")],
    "reclaim": [("lena", 32_000, "instant"), ("kofi", 21_000, "bank_2d"), ("ines", 14_000, "instant"),
                ("noor", 11_500, "instant"), ("sam", 8_000, "instant"), ("greta", 6_000, "fee_card")],
    "oatfold": [("lena", 7_800, "instant"), ("ines", 5_200, "instant"), ("noor", 4_100, "bank_2d"),
                ("dev", 2_600, "instant"), ("greta", 1_900, "instant"), ("kofi", 1_750, "fee_card")],
    "dotline": [("lena", 18_000, "bank_2d"), ("noor", 9_000, "instant"), ("ines", 12_000, "instant"),
                ("kofi", 8_400, "instant"), ("sam", 6_400, "instant"), ("greta", 1_800, "fee_card")],
    "cinder": [("lena", 8_000, "instant"), ("ines", 4_000, "instant"), ("kofi", 4_500, "instant"),
               ("greta", 1_500, "instant")],
    "saltmarsh": [("ines", 2_500, "instant"), ("lena", 4_200, "instant"), ("dev", 900, "instant"),
                  ("greta", 1_600, "instant")],
    "kelp": [("lena", 6_000, "instant"), ("ines", 3_300, "instant"), ("dev", 1_200, "instant"),
             ("greta", 900, "fee_card")],
}


def load(db: Database, settings: Settings) -> bool:
    """Tell the story into an empty migrated database; return False, doing nothing, where there are people already.

    Raises ``Refused`` outside a sandbox.
    """
    if not settings.sandbox:
        raise Refused("The demo exists only in a sandbox.", code="demo_off")
    with db.read() as session:
        if session.execute(sa.select(sa.func.count()).select_from(User)).scalar_one():
            return False
    story = _Story(Stage(db, settings))
    story.tell()
    story.hand_over()
    return True


def sign_ins(db: Database) -> Iterator[str]:
    """Yield lines that say whom to sign in as, where the demo is loaded."""
    with db.read() as session:
        invented = set(session.scalars(sa.select(User.email).where(User.demo.is_(True))))
    found = [person for person in PEOPLE if person.email in invented]
    if not found:
        yield "This database has people of its own and no demo. Name an empty one with DATABASE_URL to load the demo."
        return
    yield ""
    yield f"Sign in as one of these invented people; the password of all of them is  {PASSWORD}"
    yield "Codes of their second factor are shown where they are asked for."
    yield ""
    for person in found:
        yield f"  {person.role:<11} {person.email:<28} {person.name}: {person.shows}"
    yield ""


class _Story:
    """The plot, day by day. Offerings are known by their key in ``ventures.yaml``."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.people = {
            person.key: stage.person(person.role, person.name, email=person.email, may_commit=person.key not in UNREADY)
            for person in PEOPLE
        }
        self.offerings: dict[str, str] = {}
        self.commitments: dict[tuple[str, str], str] = {}
        self.began_at = stage.now

    def tell(self) -> None:
        """Play half a year."""
        self.stage.fund_float(self.people["olga"], 400_000, CURRENCY)
        self._first_two()
        self._merrow_and_the_film()
        self._reclaim()
        self._raising_now()

    def _first_two(self) -> None:
        for key in ("loamworks", "skylark"):
            self._launch(key, open_days=23)
            self._pledge(key)
        self._until(day=25)
        for key in ("loamworks", "skylark"):
            self._review(key, 1, "met")
        self._until(day=44)

    def _merrow_and_the_film(self) -> None:
        self._launch("merrow", open_days=26)
        self._pledge("merrow")
        self._launch("gannet", open_days=24)
        self._pledge("gannet")
        self.stage.silent = frozenset({self.offerings["gannet"]})
        self._review("skylark", 2, "not_met", note="The joint cracked after 61,000 cycles.")
        self._review("loamworks", 2, "met")
        self._until(day=72)
        self._launch("lantern", open_days=24)
        self._pledge("lantern")
        self._until(day=98)

    def _reclaim(self) -> None:
        self._launch("reclaim", open_days=25)
        self._pledge("reclaim")
        self._launch("tansy", open_days=24)
        self._pledge("tansy")
        self._review("merrow", 1, "met")
        self._hand_in("gannet", 1)
        self._sign_shares("gannet", 1, {"tested": 100, "workshop": 50})
        self._until(day=130)
        troubles.extend(
            self.stage, self._founder_of("gannet"), self.offerings["gannet"], 2,
            reason="The maker of the machine delivers three weeks later than agreed (invented).",
        )
        self._until(day=150)
        self._review("tansy", 1, "met")
        self.stage.work()
        troubles.challenge(
            self.stage, self.people["ines"], self.offerings["tansy"], 1, criterion="washes",
            reason="The report names two colours. The third was washed forty times, not a hundred.",
        )
        self._until(day=160)

    def _raising_now(self) -> None:
        stage = self.stage
        self._launch("oatfold", open_days=32)
        self._pledge("oatfold")
        self._until(day=166)
        self._launch("dotline", open_days=29)
        self._pledge("dotline")
        stage.cancel(self.people["noor"], self.commitments["dotline", "noor"])
        self._launch("cinder", open_days=28)
        self._pledge("cinder")
        self._until(day=170)
        self._launch("saltmarsh", open_days=26)
        self._pledge("saltmarsh")
        self._launch("kelp", open_days=30)
        self._pledge("kelp")
        self._until(day=172)
        self._hand_in("merrow", 2)
        self._hand_in("reclaim", 1)
        standing.lapse(stage, self.people["theo"], days=2)
        self._until(day=175)
        self._sign("merrow", 2, "met", by=["ada"])
        self._sign("reclaim", 1, "met")
        self._draft("northbank", open_days=40)
        stage.submit_offering(self.offerings["northbank"], self._founder_of("northbank"))
        self._draft("quietrotor", open_days=60)
        self._until(day=176)
        self._waiting_list()
        self._halt_one_and_close_one_early()
        self.commitments["kelp", "noor"] = stage.invest(self.people["noor"], self.offerings["kelp"], 210_000, "bank_2d")
        stage.invest(self.people["yuki"], self.offerings["kelp"], 60_000, "declined")
        self.commitments["kelp", "sam"] = stage.commit(self.people["sam"], self.offerings["kelp"], 150_000)
        self._people_who_wait()
        self._change_one()
        self._troubles()
        stage.work()

    def _troubles(self) -> None:
        """Let people doubt, judge, vote, and take a payment back; let two auditors be asked for a seat."""
        stage, people, offerings = self.stage, self.people, self.offerings
        troubles.challenge(
            stage, people["ines"], offerings["reclaim"], 1, criterion="store",
            reason="The fire officer's protocol shows twelve conditions met, and the licence has fourteen.",
        )
        troubles.judge_one(stage, offerings["tansy"], 1, note="The third colour was washed forty times.")
        troubles.amend(
            stage, self._founder_of("merrow"), offerings["merrow"], milestone_key="m3", days=45,
            reason="The customer's site opens six weeks later than planned (invented).",
            answers={"lena": (people["lena"], "yes"), "kofi": (people["kofi"], "no")},
        )
        troubles.call_end(
            stage, people["ines"], offerings["gannet"],
            reason="The machine is late, no report came, and nobody answers our questions.",
        )
        troubles.dispute_payment(stage, self.commitments["merrow", "dev"], outcome="lost")
        troubles.dispute_payment(stage, self.commitments["reclaim", "greta"])
        stage.appoint_each(
            offerings["northbank"], people["olga"], {"m1": [people["ada"], people["chiyo"]]}, accept=False
        )

    def _people_who_wait(self) -> None:
        """Let Pia wait to be verified, and two people complain."""
        stage = self.stage
        standing.ask(stage, self.people["pia"], country="DK")
        answered = standing.complain(
            stage, self.people["kofi"], "money",
            "After the film had failed, no page told me on which day my refund would come.",
        )
        standing.answer_complaint(
            stage, self.people["percy"], answered,
            "Refunds leave within five business days of the end, and yours left in full. The page of a commitment now "
            "shows each step with its date.",
        )
        standing.complain(
            stage, self.people["yuki"], "site", "My card was declined, and I could not tell whether my place is kept."
        )

    def _change_one(self) -> None:
        """Let one offering change, so that everybody who committed to it is asked to reconfirm; one has."""
        stage, offering = self.stage, self.offerings["kelp"]
        founder = self._founder_of("kelp")
        tell(
            stage, founder, offering, title="The press comes three weeks late",
            text="The builder of the press has told us that its frame must be cast anew.\n\n"
            "Two more greengrocers have asked for trays meanwhile, 2,000 between them (invented figure).",
        )
        change(
            stage, founder, self.people["percy"], offering,
            reason="The press costs more than its builder first said, so the plan needs more money to begin with.",
            figures={"minimum_minor": stage.offering(offering).minimum_minor * 11 // 10},
            disclosures={
                "use_of_proceeds": [
                    {"text": "Press and its tools", "share_bp": 5500},
                    {"text": "Harvest and permit", "share_bp": 2500},
                    {"text": "Sales", "share_bp": 2000},
                ],
                "officers": "Mara Teague, director. Nobody else leads the company.",
            },
        )
        reconfirm(stage, self.people["lena"], self.commitments["kelp", "lena"], offering)

    def _waiting_list(self) -> None:
        """Let one offering be full, four wait for a place, and the first of them be offered one."""
        stage, offering = self.stage, self.offerings["cinder"]
        for who, dollars, takes_less in (
            ("sam", 1_500, False), ("dev", 900, False), ("yuki", 600, True), ("noor", 2_000, False),
        ):
            stage.wait(self.people[who], offering, dollars * 100, takes_less=takes_less)
        stage.cancel(self.people["greta"], self.commitments["cinder", "greta"])
        stage.work()

    def _halt_one_and_close_one_early(self) -> None:
        """Let an operator halt one offering, and a founder whose minimum is reached announce an early close."""
        stage, offering = self.stage, self.offerings["saltmarsh"]
        halt(
            stage, self.people["olga"], offering, days=6,
            reason="The furnace maker says that the quoted order does not exist. The founder was asked for it.",
            public_text="We have asked the founder for a document that the plan rests on. Until we have read it, "
            "nothing new begins here. You can cancel free of charge meanwhile.",
        )
        close_early(stage, self._founder_of("dotline"), self.offerings["dotline"], days=14)

    def hand_over(self) -> None:
        """Give every invented person the printed password and a second factor whose codes are shown."""
        password_hash = passwords.hash_password(PASSWORD)

        def give(session: sa.orm.Session) -> None:
            for actor in self.people.values():
                credentials.give_demo_second_factor(
                    session, user_id=actor.user_id or 0, sandbox=self.stage.settings.sandbox,
                    now=clock.system_now(), password_hash=password_hash,
                )

        self.stage.db.unit_of_work(give)

    # -- pieces of the plot -------------------------------------------------------------------------------

    def _until(self, *, day: int) -> None:
        """Let time pass in steps of days, so that what happens by itself happens on its day."""
        target = self.began_at + dt.timedelta(days=day)
        while self.stage.now < target:
            self.stage.advance_to(min(target, self.stage.now + dt.timedelta(days=4)))

    def _founder_of(self, key: str) -> Actor:
        return self.people[ventures()[key]["founder"]]

    def _draft(self, key: str, *, open_days: int) -> str:
        venture, stage = ventures()[key], self.stage
        founder, issuer_id = stage.company(
            self._founder_of(key), venture["company"], place=venture["place"], description=venture["about"]
        )
        self.people[venture["founder"]] = founder
        class_id = stage.token_class(
            founder, issuer_id, venture["code"], authorised=venture["authorised"], existing=venture["existing"],
            name=venture["class_name"], rights=venture["rights"].strip(),
        )
        deadline_at = (stage.now + dt.timedelta(days=open_days)).replace(
            hour=DEADLINE_HOUR, minute=0, second=0, microsecond=0
        )
        self.offerings[key] = stage.draft(founder, class_id, venture.fields(deadline_at), venture.document(deadline_at))
        return self.offerings[key]

    def _launch(self, key: str, *, open_days: int) -> None:
        offering_id = self._draft(key, open_days=open_days)
        self.stage.launch(offering_id, self._founder_of(key), self.people["olga"], self._panel(key))

    def _panel(self, key: str) -> list[Actor]:
        return [self.people[each] for each in ("ada", "bram", "chiyo")][: ventures()[key].auditors]

    def _pledge(self, key: str) -> None:
        for number, (investor, dollars, method) in enumerate(PLEDGES[key]):
            if number % 2:
                self.stage.advance(hours=19)
            self.commitments[key, investor] = self.stage.invest(
                self.people[investor], self.offerings[key], dollars * 100, method
            )

    def _hand_in(self, key: str, ordinal: int) -> None:
        milestone = self.stage.milestone(self.offerings[key], ordinal)
        self.stage.submit_evidence(
            self._founder_of(key), milestone.public_id,
            statement=f"{milestone.title}: done as agreed. The files show it (all of this is invented).",
        )

    def _sign(self, key: str, ordinal: int, result: str, *, by: Sequence[str] = (), note: str = "") -> None:
        submission = self.stage.latest_submission(self.offerings[key], ordinal)
        for auditor in [self.people[each] for each in by] or self._panel(key):
            self.stage.attest(auditor, submission, result, note=note)

    def _sign_shares(self, key: str, ordinal: int, shares: Mapping[str, int]) -> None:
        """Let the panel find each criterion met by so many percent."""
        words = {0: "not_met", 100: "met"}
        for auditor in self._panel(key):
            self.stage.sign(
                auditor, self.stage.latest_submission(self.offerings[key], ordinal),
                {name: (words.get(share, "partly"), share) for name, share in shares.items()},
            )

    def _review(self, key: str, ordinal: int, result: str, *, note: str = "") -> None:
        self._hand_in(key, ordinal)
        self.stage.advance(days=3)
        self._sign(key, ordinal, result, note=note)
