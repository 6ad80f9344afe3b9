"""What authors of integrations test with: suites that prove a contract, and the gaps that are allowed."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CodecConformance": ".codecs:CodecConformance",
        "Conformance": ".gaps:Conformance",
        "Gap": ".gaps:Gap",
        "never": ".gaps:never",
        "notimpl": ".gaps:notimpl",
        "upstream": ".gaps:upstream",
    },
)
