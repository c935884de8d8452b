// Package update has the data of commit messages as image-automation-controller 0.41 declared it.
package update

import (
	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/types"

	now "fluxbot/hack/oracle/message/update"
)

// ImageRef is an image that was written.
type ImageRef interface {
	String() string
	Identifier() string
	Repository() string
	Registry() string
	Name() string
	Policy() types.NamespacedName
}

type imageRef struct {
	name.Reference
	policy types.NamespacedName
}

// NewImageRef reads a reference as the controller did.
func NewImageRef(image string, policy types.NamespacedName) (ImageRef, error) {
	reference, err := name.ParseReference(image, name.WeakValidation)
	return imageRef{reference, policy}, err
}

func (i imageRef) Policy() types.NamespacedName { return i.policy }
func (i imageRef) Repository() string           { return i.Context().RepositoryStr() }
func (i imageRef) Registry() string             { return i.Context().Registry.String() }

// ObjectIdentifier names an object.
type ObjectIdentifier = now.ObjectIdentifier

// Change is one value that changed.
type Change = now.Change

// ObjectChanges has changes by object.
type ObjectChanges = now.ObjectChanges

// Result has images by file and object.
type Result struct {
	Files map[string]FileResult
}

// FileResult has images by object.
type FileResult struct {
	Objects map[ObjectIdentifier][]ImageRef
}

// Add adds an image of an object in a file, unless it is there.
func (r *Result) Add(file string, object ObjectIdentifier, image ImageRef) {
	if r.Files == nil {
		r.Files = map[string]FileResult{}
	}
	if r.Files[file].Objects == nil {
		r.Files[file] = FileResult{map[ObjectIdentifier][]ImageRef{}}
	}
	for _, known := range r.Files[file].Objects[object] {
		if known == image {
			return
		}
	}
	r.Files[file].Objects[object] = append(r.Files[file].Objects[object], image)
}

// Images gives each image once.
func (r Result) Images() []ImageRef {
	seen := map[ImageRef]bool{}
	var all []ImageRef
	for _, file := range r.Files {
		for _, images := range file.Objects {
			for _, image := range images {
				if !seen[image] {
					seen[image] = true
					all = append(all, image)
				}
			}
		}
	}
	return all
}

// Objects gives the images by object.
func (r Result) Objects() map[ObjectIdentifier][]ImageRef {
	all := map[ObjectIdentifier][]ImageRef{}
	for _, file := range r.Files {
		for object, images := range file.Objects {
			all[object] = append(all[object], images...)
		}
	}
	return all
}

// ResultV2 has images and changes.
type ResultV2 struct {
	ImageResult Result
	now.Result
}
