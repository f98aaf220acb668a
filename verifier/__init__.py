"""The independent judge: text of rulesets and layouts in, a verdict on all packets out.

It shares no code with the compiler's planning and rendering (import-linter holds that): a defect there
must show here, not repeat itself. It touches no file, socket, process or clock.
"""
