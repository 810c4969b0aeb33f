# METADATA
# title: Trading systems are well sampled in trading hours
# description: While markets are open trading systems are not dropped, and sampled at the share their row asks for.
# custom:
#   controls:
#     - BASELINE/trading-hours
#   level: soft
#   remediation: Propose a higher share, or drop after trading hours.
package rules.baseline.trading_hours

import data.lib.patterns
import data.lib.result
import data.lib.subject

findings := result.findings(_found, set(), rego.metadata.chain())

default _found := {}

_found := patterns.services.trading if subject.in_window(data.data.trading.window)
