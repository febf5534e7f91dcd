//go:build unix

package fluxtest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// guestUID is the user who is a guest, when the tests run as another.
const guestUID = 1234

// guestEnv makes the test binary the guest's process.
const guestEnv = "FLUXTEST_GUEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(guestEnv) != "" {
		if err := guestProcess(); err != nil {
			fmt.Fprintln(os.Stderr, "guest process:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// guestProcess connects to the sockets whose paths it reads and hands the
// connections over on descriptor 3.
func guestProcess() error {
	paths := bufio.NewScanner(os.Stdin)
	for paths.Scan() {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: paths.Text()}); err != nil {
			return fmt.Errorf("%s: %w", paths.Text(), err)
		}
		if err := syscall.Sendmsg(3, []byte{0}, syscall.UnixRights(fd), nil, 0); err != nil {
			return err
		}
		syscall.Close(fd)
	}
	return paths.Err()
}

// guestHelper connects as a user that is really another one, which takes root.
type guestHelper struct {
	t     *testing.T
	mu    sync.Mutex
	paths io.WriteCloser // nil until the first connect
	conns *os.File
}

func newGuestHelper(t *testing.T) *guestHelper { return &guestHelper{t: t} }

// start starts the process, which ends with its input.
func (g *guestHelper) start() error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	g.conns = os.NewFile(uintptr(pair[0]), "guest")
	theirs := os.NewFile(uintptr(pair[1]), "guest")
	defer theirs.Close()
	// By this name it runs wherever it is: its directory is closed to others.
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), guestEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: guestUID, Gid: guestUID}}
	if g.paths, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		g.paths = nil
		return err
	}
	g.t.Cleanup(func() {
		g.paths.Close()
		cmd.Wait()
		g.conns.Close()
	})
	return nil
}

// connect returns a connection to a socket before its handshake. The row is
// skipped where there can be no such user.
func (g *guestHelper) connect(c *convo, path string) net.Conn {
	c.Helper()
	if os.Getuid() != 0 {
		c.skip("a real guest takes a test that runs as root")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paths == nil {
		if err := g.start(); err != nil {
			c.Fatalf("guest process: %v", err)
		}
	}
	if _, err := io.WriteString(g.paths, path+"\n"); err != nil {
		c.Fatalf("guest process: %v", err)
	}
	conn, err := receiveConn(int(g.conns.Fd()))
	if err != nil {
		c.Fatalf("guest process: %v", err)
	}
	return conn
}

// receiveConn takes a connection that another process hands over.
func receiveConn(from int) (net.Conn, error) {
	buf, oob := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	n, oobn, _, _, err := syscall.Recvmsg(from, buf, oob, 0)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("it ended: %w", err)
	}
	msgs, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("%d control messages: %w", len(msgs), err)
	}
	fds, err := syscall.ParseUnixRights(&msgs[0])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "guest")
	defer f.Close()
	return net.FileConn(f)
}
