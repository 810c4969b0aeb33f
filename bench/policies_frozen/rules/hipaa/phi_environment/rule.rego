# METADATA
# title: Telemetry of environments with health information is encrypted
# description: Whatever runs where health information lives is stored encrypted and audited in full.
# custom:
#   controls:
#     - HIPAA/164.312(a)(2)(iv)
#   level: advisory
#   remediation: Use a backend with encrypted storage for this environment.
package rules.hipaa.phi_environment

import data.lib.result
import data.lib.subject

duties := {result.finding(row, _obligations, rego.metadata.chain()) |
	some row in data.data.hipaa.phi_environments
	row.environment == subject.environment
}

_obligations := {{"type": "full_audit"}, {"type": "encrypt"}}
