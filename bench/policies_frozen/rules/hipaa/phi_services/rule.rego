# METADATA
# title: Services with health information are never sampled
# description: Activity in systems that hold or use electronic protected health information is recorded in full.
# custom:
#   controls:
#     - HIPAA/164.312(b)
#   level: hard
#   remediation: Keep the process. If it holds no health information, have its row in data/hipaa changed.
package rules.hipaa.phi_services

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.hipaa, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}, {"type": "full_audit"}, {"type": "encrypt"}}
