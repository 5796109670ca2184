// Many devices in one program, each a wireguard-go with its own key and UDP port, and no network behind it.
//
// Reads {"publicKey", "endpoint", "from", "privateKeys", "everyMs"} from its input (keys in hex) and has one device after the other dial the
// endpoint, each from an address of its own, counted from the first one on, until it is killed. Prints `WHAT INDEX NANOSECONDS ADDRESS`, the time by CLOCK_MONOTONIC: `heard` when a device gets the first
// message of a handshake, `session` when it has a session with whoever it heard last.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

type input struct {
	PublicKey   string
	Endpoint    string
	From        netip.Addr
	PrivateKeys []string
	EveryMs     int
}

func main() {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fail(err)
	}
	for index, key := range given.PrivateKeys {
		if err := start(index, key, given); err != nil {
			fail(err)
		}
		given.From = given.From.Next()
		time.Sleep(time.Duration(given.EveryMs) * time.Millisecond)
	}
	select {}
}

func start(index int, privateKey string, given input) error {
	udp := &udp{index: index, address: given.From}
	logger := &device.Logger{Verbosef: udp.follow, Errorf: device.DiscardLogf}
	wireguard := device.NewDevice(nowhere{make(chan tun.Event), make(chan struct{})}, udp, logger)
	settings := fmt.Sprintf(
		"private_key=%s\npublic_key=%s\nendpoint=%s\nallowed_ip=0.0.0.0/0\npersistent_keepalive_interval=25\n",
		privateKey, given.PublicKey, given.Endpoint,
	)
	if err := wireguard.IpcSet(settings); err != nil {
		return err
	}
	return wireguard.Up()
}

// udp is a device's socket. The one of wireguard-go keeps some megabytes for packets that come together.
type udp struct {
	index    int
	address  netip.Addr
	socket   *net.UDPConn
	last     atomic.Pointer[netip.AddrPort]
	answered atomic.Bool
}

const initiation = 1

func (u *udp) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(u.address, port)))
	if err != nil {
		return nil, 0, err
	}
	u.socket = socket
	receive := func(packets [][]byte, sizes []int, endpoints []conn.Endpoint) (int, error) {
		size, from, err := socket.ReadFromUDPAddrPort(packets[0])
		if err != nil {
			return 0, err
		}
		u.last.Store(&from)
		if size > 0 && packets[0][0] == initiation {
			u.answered.Store(true)
			tell("heard", u.index, from)
		}
		sizes[0] = size
		endpoints[0] = &conn.StdNetEndpoint{AddrPort: from}
		return 1, nil
	}
	return []conn.ReceiveFunc{receive}, uint16(socket.LocalAddr().(*net.UDPAddr).Port), nil
}

// follow takes what the device says: an answer to its own handshake, or the first packet by the session that it has answered.
func (u *udp) follow(format string, _ ...any) {
	last := u.last.Load()
	if last == nil {
		return
	}
	if strings.HasSuffix(format, "Received handshake response") ||
		strings.HasSuffix(format, "Receiving keepalive packet") && u.answered.Swap(false) {
		tell("session", u.index, *last)
	}
}

func (u *udp) Close() error {
	if u.socket == nil {
		return nil
	}
	return u.socket.Close()
}

func (u *udp) Send(packets [][]byte, to conn.Endpoint) error {
	for _, packet := range packets {
		if _, err := u.socket.WriteToUDPAddrPort(packet, to.(*conn.StdNetEndpoint).AddrPort); err != nil {
			return err
		}
	}
	return nil
}

func (u *udp) ParseEndpoint(text string) (conn.Endpoint, error) {
	address, err := netip.ParseAddrPort(text)
	return &conn.StdNetEndpoint{AddrPort: address}, err
}

func (u *udp) SetMark(uint32) error { return nil }
func (u *udp) BatchSize() int       { return 1 }

// nowhere is an interface from which nothing comes, and where nothing is kept.
type nowhere struct {
	events chan tun.Event
	closed chan struct{}
}

func (n nowhere) File() *os.File { return nil }
func (n nowhere) Read([][]byte, []int, int) (int, error) {
	<-n.closed
	return 0, os.ErrClosed
}
func (n nowhere) Write(packets [][]byte, _ int) (int, error) { return len(packets), nil }
func (n nowhere) MTU() (int, error)                          { return 1420, nil }
func (n nowhere) Name() (string, error)                      { return "nowhere", nil }
func (n nowhere) Events() <-chan tun.Event                   { return n.events }
func (n nowhere) BatchSize() int                             { return 1 }
func (n nowhere) Close() error {
	close(n.closed)
	close(n.events)
	return nil
}

var telling sync.Mutex

func tell(what string, index int, from netip.AddrPort) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	telling.Lock()
	defer telling.Unlock()
	fmt.Printf("%s %d %d %s\n", what, index, now.Nano(), from.Addr())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
