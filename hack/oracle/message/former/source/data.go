// Package source has the data that image-automation-controller 0.41 gave to message templates.
package source

import (
	"k8s.io/apimachinery/pkg/types"

	"fluxbot/hack/oracle/message/former/update"
)

// TemplateData is what a template saw.
type TemplateData struct {
	AutomationObject types.NamespacedName
	Updated          update.Result
	Changed          update.ResultV2
	Values           map[string]string
}
