package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

func (a *app) servicesCommand() *cobra.Command {
	var to target
	cmd := &cobra.Command{
		Use:   "services [NAME...]",
		Short: "List the services of a broker",
		Long: `Services lists what a broker tells of its services: the modules with their state,
idle time in seconds, queues and further names, the broker's own services, and
the clients that are connected, if this user may see them.

No broker lists the services that clients have registered. Given names, services
finds out whether each is served, by a client or otherwise, and exits with 1 if
any is not.`,
		Example: `  flux-rpc services
  flux-rpc services --rank 3 --json
  flux-rpc services calc && flux-rpc call calc.add '{"a":1,"b":2}'`,
		ValidArgsFunction: a.completeService,
	}
	to.flags(cmd, false)
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, "print a JSON object; errors as JSON too")
	return a.remote(cmd, func(ctx context.Context, names []string) error {
		if err := checkServices(names); err != nil {
			return err
		}
		c, err := a.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if len(names) > 0 {
			return a.probeServices(ctx, c, names, to.call())
		}
		return a.listServices(ctx, c, to.call())
	})
}

// brokerServices are those of the broker itself, which module.list leaves out.
var brokerServices = []string{
	"attr", "bootstrap", "broker", "event", "heaptrace", "log", "module", "runat", "service", "shutdown",
	"state-machine",
}

type module struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	Idle     int      `json:"idle"`
	Status   int      `json:"status"`
	Services []string `json:"services"`
	SendQ    int      `json:"sendqueue"`
	RecvQ    int      `json:"recvqueue"`
}

type clientInfo struct {
	UUID    string `json:"uuid"`
	UserID  uint32 `json:"userid"`
	PID     int    `json:"pid"`
	Tx      int64  `json:"txcount"`
	Rx      int64  `json:"rxcount"`
	Backlog int64  `json:"rxbacklog"`
}

// serviceList is all there is to tell.
type serviceList struct {
	Modules []module     `json:"modules"`
	Broker  []string     `json:"broker"`
	Clients []clientInfo `json:"clients"` // nil if this user may not know
}

func (a *app) listServices(ctx context.Context, c *flux.Client, opts []flux.CallOption) error {
	mods, err := listModules(ctx, c, opts)
	if err != nil {
		return err
	}
	list := serviceList{Modules: mods}
	known, err := probe(ctx, c, brokerServices, opts)
	if err != nil {
		return err
	}
	for i, name := range brokerServices {
		if known[i] {
			list.Broker = append(list.Broker, name)
		}
	}
	stats, err := flux.CallAs[struct {
		Server struct {
			Clients []clientInfo `json:"clients"`
		} `json:"server"`
	}](ctx, c, "connector-local.stats-get", nil, opts...)
	switch {
	case err == nil:
		list.Clients = stats.Server.Clients
	case !errors.Is(err, flux.EPERM) && !errors.Is(err, flux.ENOSYS):
		return err
	}
	if a.json {
		return a.out.object(list)
	}
	return a.out.line([]byte(list.String()))
}

func listModules(ctx context.Context, c *flux.Client, opts []flux.CallOption) ([]module, error) {
	list, err := flux.CallAs[struct {
		Mods []module `json:"mods"`
	}](ctx, c, "module.list", nil, opts...)
	slices.SortFunc(list.Mods, func(a, b module) int { return strings.Compare(a.Name, b.Name) })
	return list.Mods, err
}

// moduleStates are the letters that flux module list shows.
const moduleStates = "IRFE"

func (m module) state() string {
	if m.Status < 0 || m.Status >= len(moduleStates) {
		return "?"
	}
	return moduleStates[m.Status : m.Status+1]
}

// others are the names that a module has besides its own.
func (m module) others() []string {
	return slices.DeleteFunc(slices.Clone(m.Services), func(s string) bool { return s == m.Name })
}

func (l serviceList) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %5s S %5s %5s %s\n", "MODULE", "IDLE", "SENDQ", "RECVQ", "SERVICES")
	for _, m := range l.Modules {
		line := fmt.Sprintf("%-24s %5d %s %5d %5d %s",
			oneLine(m.Name), m.Idle, m.state(), m.SendQ, m.RecvQ, oneLine(strings.Join(m.others(), ",")))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "\nBROKER  %s\n", strings.Join(l.Broker, " "))
	if l.Clients == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "\n%-10s %8s %8s %8s %8s %8s\n", "CLIENT", "USERID", "PID", "TX", "RX", "BACKLOG")
	for _, c := range l.Clients {
		fmt.Fprintf(&b, "%-10.8s %8d %8d %8d %8d %8d\n", oneLine(c.UUID), c.UserID, c.PID, c.Tx, c.Rx, c.Backlog)
	}
	return b.String()
}

// probe finds out which names are served, from how the broker refuses a method
// that nobody has.
func probe(ctx context.Context, c *flux.Client, names []string, opts []flux.CallOption) ([]bool, error) {
	var replies []<-chan flux.Response
	for _, name := range names {
		replies = append(replies, c.Go(ctx, name+".flux-rpc-probe", nil, opts...))
	}
	known := make([]bool, len(names))
	for i, reply := range replies {
		err := (<-reply).Err()
		var remote *flux.Error
		if err != nil && !errors.As(err, &remote) {
			return nil, err
		}
		if err != nil && remote.Errno == flux.EHOSTUNREACH {
			return nil, err
		}
		known[i] = err == nil || remote.Errno != flux.ENOSYS ||
			!strings.HasPrefix(remote.Message, "No service matching")
	}
	return known, nil
}

func checkServices(names []string) error {
	for _, name := range names {
		if err := checkService(name); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) probeServices(ctx context.Context, c *flux.Client, names []string, opts []flux.CallOption) error {
	known, err := probe(ctx, c, names, opts)
	if err != nil {
		return err
	}
	found := make(map[string]bool)
	for i, name := range names {
		found[name] = known[i]
		if a.json {
			continue
		}
		state := "served"
		if !known[i] {
			state = "not served"
		}
		if err := a.out.printf("%s\t%s\n", oneLine(name), state); err != nil {
			return err
		}
	}
	if a.json {
		if err := a.out.object(found); err != nil {
			return err
		}
	}
	if slices.Contains(known, false) {
		return statusError(exitError)
	}
	return nil
}
