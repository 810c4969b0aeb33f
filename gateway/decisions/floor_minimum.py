"""The floor compiled into the gateway: what no file, bundle or person can unprotect.

The rows are the scenarios' never-filter patterns for payment, health, personal-data and safety
systems; a release of the gateway is the only way to change them.
"""

MINIMUM_ROWS: tuple[dict[str, str], ...] = (
    {
        "id": "minimum-payment-gateway",
        "regex": "^payment-gateway",
        "control": "PCI-DSS-4.0.1/10.2.1",
        "reason": "cardholder system",
    },
    {
        "id": "minimum-patient-data",
        "regex": "^patient-data-service",
        "control": "HIPAA/164.312(b)",
        "reason": "PHI system",
    },
    {
        "id": "minimum-medical-records",
        "regex": "^medical-records-api",
        "control": "HIPAA/164.312(b)",
        "reason": "PHI system",
    },
    {
        "id": "minimum-prescription",
        "regex": "^prescription-processor",
        "control": "HIPAA/164.312(b)",
        "reason": "PHI system",
    },
    {
        "id": "minimum-customer-data",
        "regex": "^customer-data-processor",
        "control": "GDPR/Art.30",
        "reason": "personal-data processing",
    },
    {
        "id": "minimum-gdpr-audit",
        "regex": "^gdpr-audit-service",
        "control": "GDPR/Art.30",
        "reason": "record of processing",
    },
    {
        "id": "minimum-data-retention",
        "regex": "^data-retention-manager",
        "control": "GDPR/Art.5(1)(e)",
        "reason": "storage limitation",
    },
    {
        "id": "minimum-plc",
        "regex": "^plc-controller",
        "control": "IEC-62443-3-3/SR-6.2",
        "reason": "safety system",
    },
    {
        "id": "minimum-safety-monitor",
        "regex": "^safety-monitor",
        "control": "IEC-61511-1/16.2",
        "reason": "safety system",
    },
)
