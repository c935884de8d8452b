package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"fluxbot/tests/servers/serving"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectlcommand "k8s.io/kubectl/pkg/cmd"
	kubectlerror "k8s.io/kubectl/pkg/cmd/util"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controlleroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// enabledControllers are those whose work a test can see. Left out is what belongs to real nodes,
// volumes and certificates.
var enabledControllers = []string{
	"clusterrole-aggregation-controller",
	"cronjob-controller",
	"daemonset-controller",
	"deployment-controller",
	"disruption-controller",
	"endpoints-controller",
	"endpointslice-controller",
	"garbage-collector-controller",
	"horizontal-pod-autoscaler-controller",
	"job-controller",
	"namespace-controller",
	"pod-garbage-collector-controller",
	"replicaset-controller",
	"replicationcontroller-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"statefulset-controller",
	"ttl-after-finished-controller",
	"validatingadmissionpolicy-status-controller",
}

// startComponents starts controllers, scheduler and node in this process, and returns once a pod
// could be created and would run.
func startComponents(kubeconfig string, credentials *credentials) error {
	ctx := context.Background()
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	// One after the other: the options of both change the feature gates of the process, and those of the
	// controllers can do so only before anybody else offers them as flags.
	runControllers, err := configureControllers(ctx, kubeconfig, credentials)
	if err != nil {
		return fmt.Errorf("configuring kube-controller-manager: %w", err)
	}
	runScheduler, err := configureScheduler(ctx, kubeconfig)
	if err != nil {
		return fmt.Errorf("configuring kube-scheduler: %w", err)
	}
	go func() { serving.Fail("running kube-controller-manager", runControllers()) }()
	go func() { serving.Fail("running kube-scheduler", runScheduler()) }()

	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := startKubelet(ctx, client); err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	// Without it every pod is refused; that it is there says that the controllers run.
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
}

func configureControllers(ctx context.Context, kubeconfig string, credentials *credentials) (func() error, error) {
	options, err := controlleroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, err
	}
	known, disabled, aliases := controllers.KnownControllers(), controllers.ControllersDisabledByDefault(), controllers.ControllerAliases()
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	for _, set := range options.Flags(known, disabled, aliases).FlagSets {
		flags.AddFlagSet(set)
	}
	err = flags.Parse([]string{
		"--kubeconfig=" + kubeconfig,
		"--service-account-private-key-file=" + credentials.serviceAccountKey,
		"--root-ca-file=" + credentials.ca,
		"--use-service-account-credentials=false",
		"--leader-elect=false",
		"--secure-port=0",
		// The default of 20 a second makes applied objects wait for each other.
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
		"--controllers=" + strings.Join(enabledControllers, ","),
	})
	if err != nil {
		return nil, err
	}
	config, err := options.Config(ctx, known, disabled, aliases)
	if err != nil {
		return nil, err
	}
	return func() error { return controllers.Run(ctx, config.Complete()) }, nil
}

func configureScheduler(ctx context.Context, kubeconfig string) (func() error, error) {
	options := scheduleroptions.NewOptions()
	flags := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	for _, set := range options.Flags.FlagSets {
		flags.AddFlagSet(set)
	}
	err := flags.Parse([]string{
		"--kubeconfig=" + kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
	})
	if err != nil {
		return nil, err
	}
	config, scheduling, err := scheduler.Setup(ctx, options)
	if err != nil {
		return nil, err
	}
	return func() error { return scheduler.Run(ctx, config, scheduling) }, nil
}

// kubectl runs kubectl with these arguments, its name among them, and ends the process.
func kubectl(arguments []string) {
	os.Args = append([]string{"kubectl"}, arguments[1:]...)
	_, _ = logs.GlogSetter(kubectlcommand.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectlcommand.NewDefaultKubectlCommand()); err != nil {
		kubectlerror.CheckErr(err)
	}
	os.Exit(0)
}
