package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
)

const (
	// nodeName is the node on which every pod runs.
	nodeName = "node-1"
	// readyAnnotation with the value "false" keeps a pod from becoming ready, and from ending if it is
	// one that ends. It may be changed on a pod that runs.
	readyAnnotation = "test.fluxbot.io/ready"
	// failAnnotation makes the containers of a pod end with exit code 1; its value is the message. A pod
	// that is not restarted has failed then, any other is in a crash loop.
	failAnnotation = "test.fluxbot.io/fail"

	kubeletWorkers = 4
)

// kubelet says of every pod on its node that it runs, and runs nothing. A pod whose restart policy is
// not Always has succeeded as soon as it ran. Deletions are confirmed at once.
type kubelet struct {
	client kubernetes.Interface
	pods   cache.Indexer
	queue  workqueue.TypedRateLimitingInterface[string]
	// addresses counts the pods that got an address.
	addresses atomic.Uint32
}

// startKubelet registers the node and returns once its pods are watched.
func startKubelet(ctx context.Context, client kubernetes.Interface) error {
	if err := registerNode(ctx, client); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", nodeName).String()
		}))
	informer := factory.Core().V1().Pods().Informer()
	k := &kubelet{
		client: client,
		pods:   informer.GetIndexer(),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](10*time.Millisecond, time.Second)),
	}
	enqueue := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			k.queue.Add(key)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, object any) { enqueue(object) },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range kubeletWorkers {
		go k.work(ctx)
	}
	return nil
}

// registerNode creates the node, or finds the one of a cluster that was started before, and makes it
// ready. The taint that comes with a new node would be removed by a controller that also wants heartbeats.
func registerNode(ctx context.Context, client kubernetes.Interface) error {
	nodes := client.CoreV1().Nodes()
	_, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: nodeName,
		Labels: map[string]string{
			corev1.LabelHostname: nodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		},
	}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Spec.Taints = nil
		if node, err = nodes.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
		capacity := corev1.ResourceList{
			corev1.ResourceCPU:              resource.MustParse("1000"),
			corev1.ResourceMemory:           resource.MustParse("4Ti"),
			corev1.ResourceEphemeralStorage: resource.MustParse("4Ti"),
			corev1.ResourcePods:             resource.MustParse("10000"),
		}
		now := metav1.Now()
		node.Status = corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
				Message: "pods are said to run", LastHeartbeatTime: now, LastTransitionTime: now,
			}},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: nodeName},
			},
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion: version.Get().GitVersion, OperatingSystem: "linux", Architecture: "amd64",
				ContainerRuntimeVersion: "none://0",
			},
		}
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
}

func (k *kubelet) work(ctx context.Context) {
	for {
		key, end := k.queue.Get()
		if end {
			return
		}
		if err := k.sync(ctx, key); err != nil {
			klog.ErrorS(err, "syncing the pod", "pod", key)
			k.queue.AddRateLimited(key)
		} else {
			k.queue.Forget(key)
		}
		k.queue.Done(key)
	}
}

// sync brings one pod one step further; the event of the change starts the next step.
func (k *kubelet) sync(ctx context.Context, key string) error {
	object, exists, err := k.pods.GetByKey(key)
	if err != nil || !exists {
		return err
	}
	pod := object.(*corev1.Pod)
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if pod.DeletionTimestamp != nil {
		// The job controller lets go of a pod only once it knows its end.
		if !ended && len(pod.Finalizers) > 0 {
			return k.report(ctx, pod, stageFailed)
		}
		err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: new(int64), Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
		if apierrors.IsConflict(err) {
			return nil
		}
		return ignoreNotFound(err)
	}
	if ended {
		return nil
	}
	return k.report(ctx, pod, nextStage(pod))
}

// stage is what the node says about all containers of a pod.
type stage int

const (
	stageReady stage = iota
	stageUnready
	stageCrashing
	stageSucceeded
	stageFailed
)

func nextStage(pod *corev1.Pod) stage {
	endsByItself := pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
	_, fails := pod.Annotations[failAnnotation]
	switch {
	case fails && pod.Spec.RestartPolicy == corev1.RestartPolicyNever:
		return stageFailed
	case fails:
		return stageCrashing
	case pod.Annotations[readyAnnotation] == "false":
		return stageUnready
	case endsByItself && pod.Status.Phase == corev1.PodRunning:
		return stageSucceeded
	default:
		return stageReady
	}
}

// report writes the status of a pod, unless that says so already.
func (k *kubelet) report(ctx context.Context, pod *corev1.Pod, stage stage) error {
	status := podStatus(pod, stage)
	if isReported(&pod.Status, &status) {
		return nil
	}
	if status.PodIP == "" {
		address := k.addresses.Add(1)
		status.PodIP = net.IPv4(10, 244, byte(address>>8), byte(address)).String()
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(
		ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	// Another pod of that name has another uid.
	if apierrors.IsConflict(err) {
		return nil
	}
	return ignoreNotFound(err)
}

func podStatus(pod *corev1.Pod, stage stage) corev1.PodStatus {
	start := pod.Status.StartTime
	if start == nil {
		now := metav1.Now()
		start = &now
	}
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: start, PodIP: pod.Status.PodIP, PodIPs: pod.Status.PodIPs,
		HostIP: "127.0.0.1", HostIPs: []corev1.HostIP{{IP: "127.0.0.1"}},
		ObservedGeneration: pod.Generation,
	}
	readyReason := ""
	switch stage {
	case stageSucceeded:
		status.Phase, readyReason = corev1.PodSucceeded, "PodCompleted"
	case stageFailed:
		status.Phase, readyReason = corev1.PodFailed, "PodFailed"
	case stageUnready, stageCrashing:
		readyReason = "ContainersNotReady"
	}
	for i := range pod.Spec.InitContainers {
		init := containerStatus(pod, &pod.Spec.InitContainers[i], stageSucceeded, *start)
		init.Ready = true
		status.InitContainerStatuses = append(status.InitContainerStatuses, init)
	}
	for i := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, containerStatus(pod, &pod.Spec.Containers[i], stage, *start))
	}
	condition := func(kind corev1.PodConditionType, holds bool, reason string) {
		said := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, LastTransitionTime: metav1.Now()}
		if holds {
			said.Status, said.Reason = corev1.ConditionTrue, ""
		}
		for _, before := range pod.Status.Conditions {
			if before.Type == kind && before.Status == said.Status {
				said.LastTransitionTime = before.LastTransitionTime
			}
		}
		status.Conditions = append(status.Conditions, said)
	}
	condition(corev1.PodReadyToStartContainers, true, "")
	condition(corev1.PodInitialized, true, "")
	condition(corev1.ContainersReady, stage == stageReady, readyReason)
	condition(corev1.PodReady, stage == stageReady, readyReason)
	return status
}

func containerStatus(pod *corev1.Pod, container *corev1.Container, stage stage, start metav1.Time) corev1.ContainerStatus {
	id := fmt.Sprintf("none://%s/%s", pod.UID, container.Name)
	started := stage == stageReady || stage == stageUnready
	status := corev1.ContainerStatus{
		Name: container.Name, Image: container.Image, ImageID: container.Image, ContainerID: id,
		Ready: stage == stageReady, Started: &started,
	}
	failed := &corev1.ContainerStateTerminated{
		ExitCode: 1, Reason: "Error", Message: pod.Annotations[failAnnotation],
		StartedAt: start, FinishedAt: start, ContainerID: id,
	}
	switch stage {
	case stageReady, stageUnready:
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: start}
	case stageCrashing:
		status.RestartCount = 1
		status.State.Waiting = &corev1.ContainerStateWaiting{
			Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting failed container",
		}
		status.LastTerminationState.Terminated = failed
	case stageSucceeded:
		status.State.Terminated = &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: start, FinishedAt: start, ContainerID: id,
		}
	case stageFailed:
		status.State.Terminated = failed
	}
	return status
}

// isReported compares what a stage decides, and the images: all else follows from them.
func isReported(now, wanted *corev1.PodStatus) bool {
	if now.Phase != wanted.Phase || now.StartTime == nil ||
		now.ObservedGeneration != wanted.ObservedGeneration ||
		len(now.ContainerStatuses) != len(wanted.ContainerStatuses) {
		return false
	}
	for i := range wanted.ContainerStatuses {
		a, b := &now.ContainerStatuses[i], &wanted.ContainerStatuses[i]
		if a.Image != b.Image || a.Ready != b.Ready || a.RestartCount != b.RestartCount {
			return false
		}
	}
	return true
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
