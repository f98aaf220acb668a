"""The demo: the real controller and real agents on a lab of namespaces, told step by step."""
