package serving

import (
	"os"
	"strconv"
	"strings"
)

// gitSettings are what the served repositories have in common: what the large hosts allow, and
// nothing that would outlive a request.
var gitSettings = [][2]string{
	{"http.receivepack", "true"},
	{"uploadpack.allowFilter", "true"},
	{"uploadpack.allowAnySHA1InWant", "true"},
	{"receive.advertisePushOptions", "true"},
	{"receive.autogc", "false"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"safe.directory", "*"},
}

// GitEnvironment is the environment for a Git command on the served repositories: nothing of the
// machine's configuration reaches it.
func GitEnvironment(root string) []string {
	environment := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + root,
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_COUNT=" + strconv.Itoa(len(gitSettings)),
	}
	for i, setting := range gitSettings {
		n := strconv.Itoa(i)
		environment = append(environment, "GIT_CONFIG_KEY_"+n+"="+setting[0], "GIT_CONFIG_VALUE_"+n+"="+setting[1])
	}
	return environment
}

// GitProtocol is the setting that asks a Git command for a protocol version; empty when the value
// is, or when it holds what no client sends.
func GitProtocol(value string) []string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil
	}
	return []string{"GIT_PROTOCOL=" + value}
}
