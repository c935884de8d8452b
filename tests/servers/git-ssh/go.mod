module fluxbot/tests/servers/git-ssh

go 1.26.0

require (
	fluxbot/tests/servers/serving v0.0.0
	golang.org/x/crypto v0.57.0
)

require golang.org/x/sys v0.48.0 // indirect

replace fluxbot/tests/servers/serving => ../serving
