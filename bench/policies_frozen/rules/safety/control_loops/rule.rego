# METADATA
# title: Control and safety processes are never filtered
# description: Controllers, safety monitors and the models beside them keep every sample.
# custom:
#   controls:
#     - IEC-62443-3-3/SR-6.2
#     - IEC-61511-1/16.2
#   level: hard
#   remediation: Keep the process. People rely on its being watched.
package rules.safety.control_loops

import data.lib.patterns
import data.lib.result

findings := result.findings(patterns.hits.safety, _obligations, rego.metadata.chain())

_obligations := {{"type": "no_sampling"}}
