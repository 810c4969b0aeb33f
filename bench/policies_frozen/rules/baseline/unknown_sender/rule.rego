# METADATA
# title: Proposals of an unknown sender are kept
# description: Without region, environment and tier no duty can be known.
# custom:
#   controls:
#     - BASELINE/unknown-sender
#   level: hard
#   remediation: Enrol the collector, so that its certificate and the registry say where it stands.
package rules.baseline.unknown_sender

import data.lib.result
import data.lib.subject

duties := {result.finding(data.data.baseline.unknown_sender, set(), rego.metadata.chain()) | not subject.known}
