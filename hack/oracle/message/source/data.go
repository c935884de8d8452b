// Package source has the data that image-automation-controller 1.2 gives to message templates.
package source

import (
	"k8s.io/apimachinery/pkg/types"

	"fluxbot/hack/oracle/message/update"
)

// TemplateData is what a template sees.
type TemplateData struct {
	AutomationObject types.NamespacedName
	Changed          update.Result
	Values           map[string]string
}
