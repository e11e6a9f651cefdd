package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// checkSite refuses what a page of another site makes a browser send: requests
// across origins, but for those that are allowed, and those of a page whose own
// name leads to this machine (DNS rebinding), for which the two are one origin.
// No such page has a key, so a server with keys may have any name.
func (s *Server) checkSite(r *http.Request) error {
	if !s.allowsOrigin(r) && http.NewCrossOriginProtection().Check(r) != nil {
		return &apiError{
			status: http.StatusForbidden, kind: kindPermission, code: codeOrigin,
			message: "requests from pages of other origins are refused, but for those that trona serve --allowed-origins names",
		}
	}
	if len(s.keys) == 0 && !s.isNamed(r.Host) {
		return &apiError{
			status: http.StatusMisdirectedRequest, kind: kindInvalid, code: codeHost,
			message: fmt.Sprintf("a server without API keys answers to localhost, to IP addresses and to the name that --host gave it, not to %.100q; one with keys answers to any name", r.Host),
		}
	}
	return nil
}

// isNamed reports whether the server may be called by a host. Addresses cannot
// be rebound, and a browser always sends a host.
func (s *Server) isNamed(host string) bool {
	if host == "" {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.options.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}
