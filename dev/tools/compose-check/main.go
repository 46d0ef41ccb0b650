// Checks compose files with the library that Docker Compose itself loads them with: against the schema of the Compose
// specification, with required variables, and that services, volumes and networks exist. It prints each service, its image or
// build target, and its ports.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func source(service types.ServiceConfig) string {
	if service.Build != nil {
		return "target " + service.Build.Target
	}
	return service.Image
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: compose-check FILE…")
	}
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithOsEnv, cli.WithConsistency(true))
	if err != nil {
		log.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		fmt.Printf("%s: %s", name, source(service))
		for _, port := range service.Ports {
			fmt.Printf(", port %s:%s to %d", port.HostIP, port.Published, port.Target)
		}
		fmt.Println()
	}
}
