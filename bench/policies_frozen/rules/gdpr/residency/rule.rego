# METADATA
# title: Telemetry of EU regions stays in EU regions
# description: Data of EU regions is exported to endpoints in EU regions only.
# custom:
#   controls:
#     - GDPR/Art.44
#   level: advisory
#   remediation: Use an endpoint in one of the allowed regions.
package rules.gdpr.residency

import data.lib.result
import data.lib.subject

duties := {result.finding(data.data.gdpr.residency, {_duty}, rego.metadata.chain()) |
	subject.region in data.data.gdpr.eu_regions
}

_duty := {"type": "allowed_regions", "regions": data.data.gdpr.eu_regions}
