# METADATA
# title: Services that financial audits rely on are never filtered
# description: Ledgers, closing, settlement and audit trails behind financial reports keep every sample.
# custom:
#   controls:
#     - SOX/302
#     - SOX/404
#   level: hard
#   remediation: Keep the process. If no financial report relies on it, have its row in data/sox changed.
package rules.sox.audit_services

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.sox, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}, {"type": "full_audit"}}
