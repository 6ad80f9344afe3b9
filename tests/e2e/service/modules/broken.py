"""Integrations that cannot be used: one lacks a library, one its own module."""

from hardpoint.integration import Integration, catalogue

catalogue.add(
    Integration(
        name="lake",
        title="Lake",
        summary="Run SQL on Lake.",
        extra="lake",
        distribution="lakehouse",
        requires=("lakeq",),
        supports=("lakeq>=3",),
        connectors={"lake": ".connector:Lake"},
        package="lake",
    )
)
catalogue.add(
    Integration(
        name="marsh",
        title="Marsh",
        summary="Run SQL on Marsh.",
        connectors={"marsh": "no_such_module:Marsh"},
        package="marsh",
    )
)
