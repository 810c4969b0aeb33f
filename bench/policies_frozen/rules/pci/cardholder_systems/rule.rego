# METADATA
# title: Cardholder systems are never filtered
# description: Systems that store, process or transmit card data keep every sample.
# custom:
#   controls:
#     - PCI-DSS-4.0.1/10.2.1
#     - PCI-DSS-4.0.1/10.2.1.1
#   level: hard
#   remediation: Keep the process. If it is out of scope of PCI DSS, have its row in data/pci changed.
package rules.pci.cardholder_systems

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.pci, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}, {"type": "full_audit"}}
