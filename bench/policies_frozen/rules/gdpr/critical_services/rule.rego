# METADATA
# title: Services that carry out data protection are never filtered
# description: Services that process customer data, audit that or delete it in time keep every sample.
# custom:
#   controls:
#     - GDPR/Art.5(1)(e)
#     - GDPR/Art.5(2)
#     - GDPR/Art.30
#     - GDPR/Art.32(1)(d)
#   level: hard
#   remediation: Keep the process. Its metrics show that personal data was handled lawfully.
package rules.gdpr.critical_services

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.gdpr, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}}
