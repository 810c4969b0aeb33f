# METADATA
# title: Telemetry of EU regions is deleted in time
# description: Storage limitation. Data of EU regions is not kept longer than the table says.
# custom:
#   controls:
#     - GDPR/Art.5(1)(e)
#   level: advisory
#   remediation: Use a backend that purges data of EU regions by this age.
package rules.gdpr.retention

import data.lib.result
import data.lib.subject

duties := {result.finding(data.data.gdpr.retention, {_duty}, rego.metadata.chain()) |
	subject.region in data.data.gdpr.eu_regions
}

_duty := object.union({"type": "retain_days"}, data.data.gdpr.retention.retain_days)
