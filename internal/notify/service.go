package notify

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/format"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// matrix signs in when it is set up: only whoever sends may do that.
const matrix = "matrix"

// Services lists what a URL may be of, by its scheme.
func Services() []string {
	names := new(router.ServiceRouter).ListServices()
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == "logger" }) // which reaches nobody
}

// ServiceOf returns which service a URL is of. Errors never quote the URL.
func ServiceOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return "", errors.New("it is no URL of a service, such as smtp://… or generic+https://…")
	}
	name, _, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	if !slices.Contains(Services(), name) {
		return "", errors.New("its scheme is none of " + strings.Join(Services(), ", "))
	}
	return name, nil
}

// Check fails where a message could not even be tried to be sent to a URL. It sends
// nothing, and its errors never quote the URL.
func Check(address string) error {
	name, err := ServiceOf(address)
	if err != nil {
		return err
	}
	if name == matrix {
		err = checkMatrix(address)
	} else {
		_, err = open(address)
	}
	if err != nil {
		return fmt.Errorf("it is not what service %s takes", name)
	}
	return nil
}

func checkMatrix(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	service, err := new(router.ServiceRouter).NewService(matrix)
	if err != nil {
		return err
	}
	return format.GetServiceConfig(service).SetURL(u)
}

// open sets a service up. What panics there is an error: it reads what people write.
func open(address string) (service types.Service, err error) {
	defer func() {
		if recover() != nil {
			service, err = nil, errors.New("the service cannot be set up")
		}
	}()
	return new(router.ServiceRouter).Locate(address)
}

// takes reports whether messages of a service have a property.
func takes(service types.Service, property string) bool {
	resolver := format.NewPropKeyResolver(format.GetServiceConfig(service))
	_, err := resolver.Get(property)
	return err == nil
}
