module fluxbot/tests/servers/serving

go 1.26.0
