"""Every lint of `gateway policy check`: its name, its level and what it holds."""

from gateway.authoring.finding import Finding, Level, Place

# Names are written as in SARIF and stay as they are: people silence and count by them.
LINTS: dict[str, tuple[Level, str]] = {
    "manifest": ("error", "The bundle has a manifest with version and roots."),
    "capabilities": ("error", "The bundle lists the built-ins that its policies may use."),
    "compile": ("error", "OPA's strict check takes every module, with restricted built-ins."),
    "package-path": ("error", "A module's package is its folder, so that data.main finds it."),
    "rule-place": ("error", "A rule lies in rules/<framework>/<rule>/ and gives a result."),
    "rule-test": ("error", "Each rule has a test beside it."),
    "metadata": ("error", "METADATA says what the rule holds, and reasons are made of it."),
    "control-unknown": ("error", "Every control that a rule or a row names is listed."),
    "control-duplicate": ("error", "A control is listed once."),
    "control-conflict": ("error", "One control id means one control."),
    "control-unclaimed": ("warning", "Every listed control is named by a rule or a row."),
    "control-family": ("error", "A family's rows and controls are its own."),
    "scope-unknown": ("error", "Jurisdictions, regions and places that data names are listed."),
    "floor-row": ("error", "Rows of never_filter stand where the floor and the rules read them."),
    "row-unclaimed": (
        "error",
        "Some rule claims the control of a row, so that the row does something.",
    ),
    "row-duplicate": ("error", "The id of a row is its own."),
    "undeclared-read": ("error", "Policies read nothing that their input does not have."),
    "dynamic-read": ("warning", "What policies read can be seen from their text."),
    "data-unreadable": ("error", "Data files are YAML 1.2 or JSON and lie below data/."),
    "data-left-out": ("error", "OPA reads every data file."),
    "data-collision": ("error", "Two data files do not give the same name."),
    "data-read-differently": ("error", "OPA reads each value as the gateway does."),
    "data-schema": ("error", "Data is as its JSON Schema says."),
    "schema-missing": ("error", "Each table of data has a JSON Schema."),
    "schema-invalid": ("error", "JSON Schemas are valid and need nothing from elsewhere."),
    "owner": ("error", "Each control and each customisation has an owner."),
    "review-due": ("error", "Each control and each customisation has a date of review."),
    "review-overdue": ("warning", "Reviews are not overdue."),
    "pattern-uncompilable": ("error", "A pattern is one regex of RE2 or one glob."),
    "pattern-read-differently": ("error", "OPA reads a glob as the floor does."),
    "pattern-empty": ("error", "A pattern can match a name."),
    "pattern-unanchored": ("error", "A pattern that allows dropping begins at the name's start."),
    "pattern-matches-all": ("error", "A pattern that allows dropping does not match every name."),
    "pattern-open-ended": ("note", "A pattern that allows dropping says where the name ends."),
    "pattern-unseen": ("warning", "A pattern matches something in recorded traffic."),
    "pattern-past-cut": ("warning", "A pattern can match a command name cut to 15 bytes."),
    "pattern-shadowed": ("warning", "A row matches some name that no earlier row matches."),
    "pattern-contradictory": ("error", "No row allows dropping what another never filters."),
    "retention-contradictory": ("error", "Evidence and privacy periods of a family fit together."),
}


def found(
    rule: str, place: Place, message: str, mend: str, related: tuple[Place, ...] = ()
) -> Finding:
    """A finding at the lint's own level."""
    return Finding(rule, LINTS[rule][0], place, message, mend, related)
