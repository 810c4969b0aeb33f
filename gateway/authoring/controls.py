"""Controls: each is listed once, means one thing, and is known where it is named."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.metadata import ControlClaim, ListClaim
from gateway.authoring.rows import Row

_NO_LETTER = re.compile(r"[^a-z0-9]+")
_MEANING = ("title", "framework", "family")


def check_control_ids(rows: Sequence[Row]) -> list[Finding]:
    """Duplicate and conflicting ids of controls, with both places."""
    first: dict[str, Row] = {}
    findings = []
    for row in _listed(rows):
        name = str(row.value["id"])
        # What differs in case and marks alone reads as one control to people.
        before = first.setdefault(_NO_LETTER.sub("-", name.lower()), row)
        if before is not row:
            findings.append(_twice(name, row, before))
    return findings


def check_control_names(
    rows: Sequence[Row], claims: Sequence[ControlClaim], lists: Sequence[ListClaim]
) -> list[Finding]:
    """Unknown and unclaimed controls, and rows that no rule claims."""
    listed = _listed(rows)
    known = {str(row.value["id"]) for row in listed}
    naming = [row for row in rows if isinstance(row.value.get("control"), str)]
    named = {str(row.value["control"]) for row in naming}
    claimed = {claim.control for claim in claims}
    findings = []
    for claim in claims:
        if claim.control not in known:
            findings.append(_unknown(claim.control, claim.place))
    for row in naming:
        if row.value["control"] not in known:
            findings.append(_unknown(row.value["control"], row.place_of("control")))
    for row in listed:
        if row.value["id"] not in named | claimed:
            findings.append(
                found(
                    "control-unclaimed",
                    row.place_of("id"),
                    f"no rule and no row names control {row.value['id']}",
                    "add what holds it, or remove it",
                )
            )
    of_known = [row for row in naming if row.value["control"] in known]
    return findings + _check_claimed(of_known, claimed, {claim.name for claim in lists})


def check_row_ids(rows: Sequence[Row]) -> list[Finding]:
    """The id of each row that stands for a control is its own, over all data files."""
    first: dict[str, Row] = {}
    findings = []
    for row in rows:
        name = row.value.get("id")
        if not isinstance(name, str) or "control" not in row.value:
            continue
        before = first.setdefault(name, row)
        if before is not row:
            findings.append(
                found(
                    "row-duplicate",
                    row.place_of("id"),
                    f"the id {name} stands at {before.place_of('id')} too",
                    "give one of them another id",
                    (before.place_of("id"),),
                )
            )
    return findings


def check_families(rows: Sequence[Row]) -> list[Finding]:
    """A family's rows name controls of their own file, and its controls name its folder."""
    own = {(row.document.file, row.value.get("id")) for row in _listed(rows)}
    everywhere = {row.value.get("id") for row in _listed(rows)}
    findings = []
    for row in rows:
        if not row.is_of_family:
            continue
        folder = row.document.file.split("/")[-2]
        control = row.value.get("control")
        if row.is_control and row.value.get("family", folder) != folder:
            text = f"the family of {row.shown} is {folder}, the folder's name"
            findings.append(
                found("control-family", row.place_of("family"), text, f"write family: {folder}")
            )
        elif control in everywhere and (row.document.file, control) not in own:
            text = f"control {control} is of another file, and {row.shown} of family {folder}"
            findings.append(
                found("control-family", row.place_of("control"), text, "name one of this file")
            )
    return findings


def check_reviews(rows: Iterable[Row], today: date) -> list[Finding]:
    """Each control and each customisation has an owner and a date of review that is to come."""
    findings = []
    for row in rows:
        # Else a reason that policies copy, or the head of a family or table: what it says counts.
        is_own = row.has_pattern or "id" in row.value
        owner = row.known("owner")
        is_owned = isinstance(owner, str) and owner.strip()
        if (is_own or "owner" in row.value) and not is_owned:
            findings.append(
                found("owner", row.place, "owner is missing", "name the team that answers for it")
            )
        if is_own or "review_due" in row.value:
            findings += _check_date(row, today)
    return findings


def _check_date(row: Row, today: date) -> list[Finding]:
    text, form = row.known("review_due"), 'write it as "2027-05-31", in quotes'
    if text is None:
        return [found("review-due", row.place, "review_due is missing", form)]
    place = row.place_of("review_due")
    try:
        due = date.fromisoformat(text)
    except (TypeError, ValueError):
        return [found("review-due", place, "review_due is no date", form)]
    if due >= today:
        return []
    days = (today - due).days
    return [
        found(
            "review-overdue",
            place,
            f"the review of {row.shown} was due {days} day{'s' * (days != 1)} ago, on {due}",
            "review it with its owner, then set the next date",
        )
    ]


def _listed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.is_control and isinstance(row.value.get("id"), str)]


def _twice(name: str, row: Row, before: Row) -> Finding:
    at, there = row.place_of("id"), before.place_of("id")
    if before.value["id"] != name:
        text = f"control {name} at {at} and control {before.value['id']} at {there} read alike"
        return found("control-conflict", at, text, "give them ids that differ", (there,))
    differing = [part for part in _MEANING if row.value.get(part) != before.value.get(part)]
    if differing:
        text = f"control {name} means two things, at {at} and at {there}: {differing[0]} differs"
        return found("control-conflict", at, text, "rename one of them, or mend it", (there,))
    text = f"control {name} is listed at {at} and at {there}"
    return found("control-duplicate", at, text, "remove one of them", (there,))


def _unknown(control: str, place: Place) -> Finding:
    return found(
        "control-unknown",
        place,
        f"control {control} is not listed",
        "add it to a list controls, or correct its id",
    )


def _check_claimed(
    naming: Sequence[Row], claimed: Collection[str], lists: Collection[str]
) -> list[Finding]:
    findings = []
    for row in naming:
        # Rows of other tables (regions, adequacy) are looked up and need not give a reason.
        is_read = isinstance(row.path[-1], int) and (row.has_pattern or row.is_of_family)
        if not is_read or row.value["control"] in claimed:
            continue
        if row.is_of_family and row.list_name in lists:
            continue
        findings.append(
            found(
                "row-unclaimed",
                row.place_of("control"),
                f"no rule claims {row.value['control']}, so {row.shown} gives no reason",
                f"move it to one of the lists {', '.join(sorted(lists))}"
                if row.is_of_family
                else "add the control to the METADATA of the rule that reads this list",
            )
        )
    return findings
