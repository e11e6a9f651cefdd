package server

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

// The routes by which NIM says what it is. What NIM has and a single binary has
// not (a model store, container assets) is empty.

//go:embed license.txt
var licenseText string

// apiVersion is the version of the HTTP interface, of docs/api.md.
const apiVersion = "1.0.0"

type license struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	SHA     string `json:"sha"` // SHA-256 of the text
	Size    int    `json:"size"`
	URL     string `json:"url"`
	Type    string `json:"type"`
	Content string `json:"content,omitempty"`
}

// ownLicense is the licence of this program; a model has its own.
func ownLicense() license {
	digest := sha256.Sum256([]byte(licenseText))
	return license{
		Name: "Apache-2.0", Path: "LICENSE", SHA: hex.EncodeToString(digest[:]), Size: len(licenseText),
		URL: "https://www.apache.org/licenses/LICENSE-2.0", Type: "file", Content: licenseText,
	}
}

type metadata struct {
	Version            string      `json:"version"`
	ModelInfo          []modelInfo `json:"modelInfo"`
	LicenseInfo        license     `json:"licenseInfo"`
	AssetInfo          []string    `json:"assetInfo"`
	RepositoryOverride string      `json:"repository_override"`
}

type modelInfo struct {
	ShortName string `json:"shortName"`
	ModelURL  string `json:"modelUrl"`
	ProfileID string `json:"profileId"` // the one that runs
}

// metadata serves GET /v1/metadata.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) error {
	body := metadata{Version: s.options.Version, ModelInfo: []modelInfo{}, LicenseInfo: ownLicense(), AssetInfo: []string{}}
	body.LicenseInfo.Content = "" // GET /v1/license has it
	for _, m := range s.loaded() {
		for _, name := range m.Names {
			body.ModelInfo = append(body.ModelInfo, modelInfo{ShortName: name, ProfileID: m.Fingerprint})
		}
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// nimVersion serves GET /v1/version.
func (s *Server) nimVersion(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, struct {
		Release string `json:"release"`
		API     string `json:"api"`
	}{s.options.Version, apiVersion})
	return nil
}

// license serves GET /v1/license.
func (s *Server) license(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, ownLicense())
	return nil
}

// profile is a way to run a model; this server has one for each model, the one
// that runs.
type profile struct {
	ID          string `json:"id"` // the fingerprint of weights, configuration and engine
	Model       string `json:"model"`
	MaxModelLen int    `json:"max_model_len"`
}

// manifest serves GET /v1/manifest: what can be run.
func (s *Server) manifest(w http.ResponseWriter, _ *http.Request) error {
	body := struct {
		Object   string    `json:"object"`
		Profiles []profile `json:"profiles"`
	}{"manifest", []profile{}}
	for _, m := range s.loaded() {
		body.Profiles = append(body.Profiles, profile{ID: m.Fingerprint, Model: m.Names[0], MaxModelLen: m.ContextLength})
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}
