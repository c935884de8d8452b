module fluxbot/tests/servers/git-http

go 1.26.0

require fluxbot/tests/servers/serving v0.0.0

replace fluxbot/tests/servers/serving => ../serving
