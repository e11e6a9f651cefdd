package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels/cuda/cudatest"
)

// emulate makes the programs that the test starts find the emulated driver.
func emulate(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a model on an emulated GPU")
	}
	folder, err := cudatest.Build()
	if err != nil && os.Getenv(cudatest.Require) != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	for _, variable := range cudatest.Environment(folder) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// TestServeCUDA: the demo model answers on the emulated GPU, alone and in a
// batch, what it answers on the CPU.
func TestServeCUDA(t *testing.T) {
	emulate(t)
	ask := func(s *serving, question string) *answer {
		return s.ask(t, "/v1/chat/completions", object{
			"messages":   []object{{"role": "user", "content": question}},
			"max_tokens": 12, "temperature": 0, "return_token_ids": true,
		})
	}
	questions := []string{"What is 2+2?", "What is 12 + 30?", "Is 7 odd?"}
	cpu := start(t, "--device", "cpu", "--max-model-len", "512", "--max-num-seqs", "4")
	cuda := start(t, "--device", "cuda", "--max-model-len", "512", "--max-num-seqs", "4")
	require.Contains(t, cuda.log.String(), "Emulated")
	var wg sync.WaitGroup
	for _, q := range questions {
		want := ask(cpu, q)
		wg.Go(func() {
			got := ask(cuda, q)
			require.Equal(t, want.Choices[0].TokenIDs, got.Choices[0].TokenIDs, q)
			require.Equal(t, want.Choices[0].Message.Content, got.Choices[0].Message.Content, q)
		})
	}
	wg.Wait()
	again := ask(cuda, questions[0])
	require.Equal(t, ask(cpu, questions[0]).Choices[0].TokenIDs, again.Choices[0].TokenIDs, "alone, from the cache")
	cuda.signal(t)
	require.Equal(t, exitDone, cuda.exit(t))
}

// TestPlanOtherGPU: a GPU that is not here is planned for by its memory, as if it were here.
func TestPlanOtherGPU(t *testing.T) {
	r := trona(t, "", "plan", "--device", "cuda")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "with --device-memory SIZE")
	plan := planOf(t, "--device", "cuda", "--device-memory", "80GB", "--kv-cache-dtype", "fp8")
	require.Equal(t, "cuda", plan.Device)
	require.EqualValues(t, 80e9, plan.DeviceMemoryBytes)
	require.True(t, plan.Fits)
	require.Zero(t, plan.ScratchBytes)
	emulate(t)
	here := planOf(t, "--device", "cuda", "--kv-cache-dtype", "fp8")
	require.Equal(t, []int64{here.WeightsBytes, here.WorkspaceBytes, here.KVBytes, here.TotalBytes}, []int64{plan.WeightsBytes, plan.WorkspaceBytes, plan.KVBytes, plan.TotalBytes})
}

// TestDeviceFails: requests that a failing GPU had get an error, and the server says what
// happened and ends, so that it can be started anew; of several models the others go on.
func TestDeviceFails(t *testing.T) {
	emulate(t)
	t.Setenv("TRONA_EMU_FAULT", "cuGraphLaunch@5=719")
	const why = "demo: the device failed: cuda: cuGraphLaunch: unspecified launch failure (CUDA_ERROR_LAUNCH_FAILED, 719)"
	question := object{"model": "demo", "messages": []object{{"role": "user", "content": "What is 2+2?"}}}
	s := start(t, "--device", "cuda", "--max-model-len", "512")
	status, a := s.post(t, "/v1/chat/completions", question)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "engine_unavailable", a.Error.Code)
	require.Equal(t, exitFailed, s.exit(t))
	require.Contains(t, s.log.String(), why)

	r := trona(t, "", "run", "--device", "cuda", "--max-model-len", "512", "demo", "What is 2+2?")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, strings.TrimPrefix(why, "demo: "))

	c := runInTerminal(t, "--device", "cuda", "--max-model-len", "512", "demo")
	c.say("What is 2+2?")
	var failed *exec.ExitError
	require.ErrorAs(t, <-c.ended, &failed)
	require.Equal(t, exitFailed, failed.ExitCode())
	c.wait(t, strings.TrimPrefix(why, "demo: "), 1)

	s = start(t, "--device", "cuda", "--max-model-len", "512", "--max-num-seqs", "1", "--model", "demo=demo", "--model", "second="+filepath.Join("..", "..", "model", "demo", "demo.gguf"))
	status, _ = s.post(t, "/v1/chat/completions", question)
	require.Equal(t, http.StatusServiceUnavailable, status)
	s.log.wait(t, why, 1)
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/v1/health/ready"))
	question["model"] = "second"
	s.ask(t, "/v1/chat/completions", question)
}

// TestDeviceHangs: a GPU that ends no step keeps no server from ending.
func TestDeviceHangs(t *testing.T) {
	emulate(t)
	t.Setenv("TRONA_EMU_FAULT", "cuGraphLaunch@5=hang")
	s := start(t, "--device", "cuda", "--max-model-len", "512", "--drain-timeout", "2s")
	answered := make(chan int)
	go func() {
		status, _ := s.post(t, "/v1/chat/completions", object{"messages": []object{{"role": "user", "content": "What is 2+2?"}}})
		answered <- status
	}()
	running := func() bool { return s.metric(t, "trona_requests_running") == 1 }
	require.Eventually(t, running, time.Minute, 10*time.Millisecond)
	s.signal(t)
	require.Equal(t, http.StatusServiceUnavailable, <-answered)
	require.Equal(t, exitDone, s.exit(t))
}

// TestDeviceChoice: auto takes a GPU where there is one; what is wrong with it
// is said in one line, and never hidden by the CPU.
func TestDeviceChoice(t *testing.T) {
	r := trona(t, "", "plan", "--device", "auto")
	require.Equal(t, exitDone, r.code, r.err)
	r = trona(t, "", "plan", "--device", "cuda")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "no such device on this machine")
	require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)

	emulate(t)
	for name, c := range map[string]struct {
		setting, value, device string
		code                   int
		want                   string
	}{
		"auto":              {"TRONA_EMU_QUIET", "1", "auto", exitDone, ""},
		"none":              {"TRONA_EMU_DEVICES", "0", "auto", exitDone, ""},
		"none but wanted":   {"TRONA_EMU_DEVICES", "0", "cuda", exitFailed, "no such device"},
		"old":               {"TRONA_EMU_DRIVER", "11080", "auto", exitFailed, "install R525 (CUDA 12.0) or newer (--device cpu does without)"},
		"no room":           {"TRONA_EMU_MEMORY", "16M", "cuda", exitFailed, "out of memory"},
		"no such kernels":   {"TRONA_CUDA", "fast", "cuda", exitFailed, `TRONA_CUDA=fast: there are no such kernels, only "usual"`},
		"broken but unused": {"TRONA_EMU_DRIVER", "11080", "cpu", exitDone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(c.setting, c.value)
			r := trona(t, "", "plan", "--device", c.device)
			require.Equal(t, c.code, r.code, r.err)
			require.Contains(t, r.err, c.want)
			require.LessOrEqual(t, strings.Count(r.err, "\n"), 1, r.err)
		})
	}
	r = trona(t, "", "bench", "--device", "cuda", "--ops")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.err, "--ops: only on the CPU")
}
