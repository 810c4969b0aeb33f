# METADATA
# title: Personal data in telemetry of EU regions is masked
# description: Attributes that name a person leave EU regions masked.
# custom:
#   controls:
#     - GDPR/Art.5(1)(c)
#   level: advisory
#   remediation: Mask these attributes before export.
package rules.gdpr.minimisation

import data.lib.result
import data.lib.subject

duties := {result.finding(data.data.gdpr.minimisation, {_duty}, rego.metadata.chain()) |
	subject.region in data.data.gdpr.eu_regions
}

_duty := {"type": "mask", "attributes": data.data.gdpr.minimisation.attributes}
