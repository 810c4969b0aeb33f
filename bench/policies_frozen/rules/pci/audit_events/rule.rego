# METADATA
# title: Services that record audit events are never filtered
# description: Services that write, ship or protect the events of requirement 10.2.1 keep every sample.
# custom:
#   controls:
#     - PCI-DSS-4.0.1/10.2.1.2
#     - PCI-DSS-4.0.1/10.2.1.3
#     - PCI-DSS-4.0.1/10.2.1.4
#     - PCI-DSS-4.0.1/10.2.1.5
#     - PCI-DSS-4.0.1/10.2.1.6
#     - PCI-DSS-4.0.1/10.2.1.7
#     - PCI-DSS-4.0.1/10.2.2
#   level: hard
#   remediation: Keep the process. Its silence would hide the loss of audit events.
package rules.pci.audit_events

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.pci, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}, {"type": "full_audit"}}
