// Package update has the data of commit messages as image-automation-controller 1.2 declares it: same names, fields and
// methods, so that templates and their errors see no difference.
package update

import "sigs.k8s.io/kustomize/kyaml/yaml"

// ObjectIdentifier names an object.
type ObjectIdentifier struct {
	yaml.ResourceIdentifier
}

// Result has changes by file.
type Result struct {
	FileChanges map[string]ObjectChanges
}

// ObjectChanges has changes by object.
type ObjectChanges map[ObjectIdentifier][]Change

// Change is one value that changed.
type Change struct {
	OldValue string
	NewValue string
	Setter   string
}

// AddChange adds changes of an object in a file.
func (r *Result) AddChange(file string, object ObjectIdentifier, changes ...Change) {
	if r.FileChanges == nil {
		r.FileChanges = map[string]ObjectChanges{}
	}
	if r.FileChanges[file] == nil {
		r.FileChanges[file] = ObjectChanges{}
	}
	r.FileChanges[file][object] = append(r.FileChanges[file][object], changes...)
}

// Changes gives the different changes.
func (r Result) Changes() []Change {
	seen := map[Change]bool{}
	var all []Change
	for _, objects := range r.FileChanges {
		for _, changes := range objects {
			for _, change := range changes {
				if !seen[change] {
					seen[change] = true
					all = append(all, change)
				}
			}
		}
	}
	return all
}

// Objects gives the changes by object, whichever file they are in.
func (r Result) Objects() ObjectChanges {
	all := ObjectChanges{}
	for _, objects := range r.FileChanges {
		for object, changes := range objects {
			all[object] = append(all[object], changes...)
		}
	}
	return all
}
